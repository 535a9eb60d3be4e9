"""How a network ends: the squashing that it applies itself, found in a run or in a graph."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from live_gradcam.explain.outputs.operations import (
    SQUASHINGS,
    Operation,
    module_operation,
    operation,
)
from live_gradcam.values import SquashingName

# As many operations as any network applies to its scores, and many more.
_REMEMBERED = 48
_FORM = frozenset(
    (
        "view",
        "reshape",
        "flatten",
        "squeeze",
        "unsqueeze",
        "clone",
        "detach",
        "alias",
        "unsafe_view",
        "to_copy",
        "contiguous",
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """The last operations of a network, from the output back to its squashing.

    Attributes:
        last: Name of the last operation that does more than change the form; empty where it is not
            known.
        squash: The squashing; ``None`` where there is none, or where what follows it is not
            understood.
        behind: What follows the squashing, in order.
        obscured: Name of a squashing after which comes what is not understood; empty elsewhere.
    """

    last: str
    squash: Operation | None = None
    behind: tuple[Operation, ...] = ()
    obscured: str = ""

    @property
    def squashing(self) -> SquashingName | None:
        """The squashing of the output as it stands: ``exp(log_softmax)`` is a softmax."""
        return None if self.squash is None else _meaning(self.squash, self.behind)

    @property
    def scale(self) -> float:
        """Factor of the probabilities in the output."""
        factor = 1.0
        for each in self.behind:
            if each.role == "scale":
                factor *= each.factor
        return factor

    def peel(self) -> Any:  # noqa: ANN401 - a tensor or a node, as the operations are
        """Make the output as it is without its squashing: the logits, in the output's form.

        The logit of ``1 - p`` is the negative one. Of one of two classes of a softmax, it is the
        difference of their scores.
        """
        assert self.squash is not None, "there is something to peel"
        value = self.squash.source
        for each in self.behind:
            if each.role == "keep":
                value = each.again(value)
            elif each.role == "complement":
                value = -value
            elif each.role == "pick":
                picked = each.picked % 2
                value = each.again(value) - value[:, 1 - picked]
        return value


def find_ending(output: Any, producer: Callable[[Any], Operation | None]) -> Ending:  # noqa: ANN401
    """Walk from a network's output back to its squashing.

    Args:
        output: A tensor or a node of a graph.
        producer: Returns what has made a value; ``None`` where that is not known.
    """
    behind: list[Operation] = []
    value, last = output, ""
    while True:
        made = producer(value)
        if made is None or made.source is value:
            return Ending(last)
        if not last and made.role not in ("keep", "drop"):
            last = made.name
        if made.role == "squash":
            behind.reverse()
            if _meaning(made, behind) is None:
                return Ending(last, obscured=SQUASHINGS[made.name])
            return Ending(last, made, tuple(behind))
        if made.role is None:
            return Ending(last)
        behind.append(made)
        value = made.source


def _meaning(squash: Operation, behind: Sequence[Operation]) -> SquashingName | None:
    """Return the squashing that the whole is; ``None`` where it is no probability any more."""
    name = str(SQUASHINGS[squash.name])
    for each in behind:
        logarithmic = name.startswith("log-")
        if each.role == "exp" and logarithmic:
            name = name.removeprefix("log-")
        elif each.role == "log" and not logarithmic:
            name = f"log-{name}"
        elif each.role == "pick" and name == "softmax":
            name = "sigmoid"  # of the difference of two scores
        elif not (
            each.role in ("keep", "drop")
            or (each.role == "complement" and name == "sigmoid")
            or (each.role == "scale" and not logarithmic)
        ):
            return None
    return name  # type: ignore[return-value]


class Tape(TorchFunctionMode):
    """Remembers the last operations of whatever runs in its block. A context manager.

    It sees functions and methods, however they are reached: through modules, under control flow
    that depends on the data, in half of a traced graph. It changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: OrderedDict[int, tuple[Tensor, Operation | None]] = OrderedDict()

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        given = args
        if name.endswith("_") and name.strip("_") in SQUASHINGS and args:
            given = (args[0].clone(), *args[1:])  # in place, and what stood there is looked for

        def again(source: Any, value: Any) -> Any:  # noqa: ANN401
            replaced = [value if each is source else each for each in given]
            return func(*replaced, **{k: value if v is source else v for k, v in options.items()})

        described = operation(name, given, options, is_value=_is_tensor, again=again)
        result = func(*args, **options)
        if isinstance(result, Tensor):
            self._made[id(result)] = (result, described)
            self._made.move_to_end(id(result))
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return result

    def ending(self, output: Tensor) -> Ending:
        """Return how the value was made."""
        return find_ending(output, self._producer)

    def _producer(self, value: Any) -> Operation | None:  # noqa: ANN401
        found = self._made.get(id(value))
        return found[1] if found is not None and found[0] is value else None


def _is_tensor(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Tensor)


def _is_node(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, fx.Node)


def graph_ending(whole: fx.GraphModule, output: fx.Node) -> Ending:
    """Return how a value of a traced network is made; peeling it adds nodes before the output."""
    graph = whole.graph
    (end,) = graph.find_nodes(op="output")

    def producer(value: Any) -> Operation | None:  # noqa: ANN401
        if not isinstance(value, fx.Node):
            return None
        name, args, options = str(value.target), value.args, dict(value.kwargs)
        if value.op == "call_module":
            known = module_operation(whole.get_submodule(name))
            if known is None:
                return None
            name = known[0]
            options = {**options, **known[1]}
        elif value.op == "call_function":
            name = getattr(value.target, "__name__", "")
        elif value.op != "call_method":
            return None

        def again(source: fx.Node, other: fx.Node) -> fx.Node:
            with graph.inserting_before(end):
                return graph.node_copy(value, lambda old: other if old is source else old)

        return operation(name, args, options, is_value=_is_node, again=again)

    return find_ending(output, producer)


def peel_graph(whole: fx.GraphModule, finish: Callable[[Tensor], Tensor]) -> bool:
    """Cut the squashing off a traced network with one output, in place.

    Args:
        whole: Its graph puts out one value.
        finish: Is applied to the logits; what it does becomes part of the graph.

    Returns:
        ``False`` where no squashing was found; the graph is then as it was.
    """
    (end,) = whole.graph.find_nodes(op="output")
    output = end.args[0]
    if not isinstance(output, fx.Node):
        return False
    ending = graph_ending(whole, output)
    if ending.squash is None:
        return False
    with whole.graph.inserting_before(end):
        logits: Any = fx.Proxy(_peel_nodes(whole.graph, ending))
        end.args = (finish(logits).node,)  # type: ignore[attr-defined]
    whole.graph.eliminate_dead_code()
    whole.recompile()
    return True


def _peel_nodes(graph: fx.Graph, ending: Ending) -> fx.Node:
    """As `Ending.peel`, for nodes, on which there is no arithmetic."""
    assert ending.squash is not None, "there is something to peel"
    value: fx.Node = ending.squash.source
    for each in ending.behind:
        if each.role == "keep":
            value = each.again(value)
        elif each.role == "complement":
            value = graph.call_function(operator.neg, (value,))
        elif each.role == "pick":
            other = (value, (slice(None), 1 - each.picked % 2))
            against = graph.call_function(operator.getitem, other)
            value = graph.call_function(operator.sub, (each.again(value), against))
    return value


def peel_run(tape: Tape, output: Tensor) -> Tensor:
    """Return the logits behind the output of a run.

    Raises:
        RuntimeError: The run did not end in a squashing.
    """
    ending = tape.ending(output)
    if ending.squash is None:
        raise RuntimeError("this run of the network does not end in the squashing that others do")
    peeled: Tensor = ending.peel()
    return peeled


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the last kernel that does more than change the form."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.last = ""

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        name = func.overloadpacket.__name__.strip("_")
        if name not in _FORM:
            self.last = name
        return func(*args, **dict(kwargs or {}))


@torch.no_grad()
def last_kernel(run: Callable[[], object]) -> str:
    """Return the name of the last operation that does more than change the form, by kernels.

    It sees into code that functions cannot be recorded of, such as TorchScript.
    """
    with _Kernels() as kernels:
        run()
    return str(kernels.last)
