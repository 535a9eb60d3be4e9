"""Networks as the rest of the house wants them: one tensor of logits ``(N, classes)``.

`adapt` runs a network once, finds out what its output means, and returns it with whatever it needs:

- of several outputs, the logits are picked;
- a squashing at the end (softmax, log-softmax, sigmoid) is cut off, so that evidence is of logits;
- a single logit gets its other side, whose evidence is the negative one.

The result is a module with the network's own modules under their own names, which is cut like any
other. Where the network can be traced and ends in a squashing, it is a graph without that end.
Elsewhere it is the network itself under a class of its own, whose ``forward`` is the network's and
then the above; the squashing is then cut off in every run, which needs no graph. A tracer that
meets such a forward fails, as it does with the network alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from live_gradcam.choices import OutputChoice
from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.outputs.ending import Ending, Tape, last_kernel, peel_graph, peel_run
from live_gradcam.explain.outputs.labels import count_labels
from live_gradcam.explain.outputs.meaning import Meaning, decide
from live_gradcam.explain.outputs.selection import Path, choose_logits, pick
from live_gradcam.explain.tracing import trace
from live_gradcam.values import OutputKind

# Probabilities of an adapted network and of its own code may differ by no more.
_SAME = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputWish:
    """What is said about a network's output.

    Attributes:
        choice: Meaning of the output.
        name: Name or index of the logits.
        threshold: Probability above which a class is true.
        labels: Names of the classes.
    """

    choice: OutputChoice = "auto"
    name: str | int | None = None
    threshold: float = 0.5
    labels: Labels = None


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A network that puts out logits, and what they mean.

    Attributes:
        network: From its inputs to logits ``(N, count)``; the given one if nothing is to be done.
        kind: Meaning of the logits.
        count: Number of logits.
        expected: Its output for the input that it was tried with.
        notes: One sentence for each thing that had to be interpreted.
    """

    network: nn.Module
    kind: OutputKind
    count: int
    expected: Tensor
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run of a network.

    Attributes:
        path: The way to the logits in its output.
        output: The tensor there.
        ending: How it was made.
        logits: The output without its squashing, if it has one.
    """

    path: Path
    output: Tensor
    ending: Ending
    logits: Tensor


@torch.no_grad()
def adapt(
    network: nn.Module,
    inputs: Tensor,
    wish: OutputWish,
    *,
    name: str,
    layer: str | None = None,
) -> Adapted:
    """Find out what a network puts out, and make it put out logits.

    Args:
        network: In evaluation mode, without gradients; not modified, its modules are shared.
        inputs: One input that it takes, ``(1, ...)``.
        wish: What the user says.
        name: Of the network, for messages.
        layer: Dotted name of the layer at which it will be cut.

    Raises:
        ModelError: There are no logits, it is not clear which they are, or what the user says about
            them cannot be true.
    """
    run, note = _run(network, inputs, wish, name)
    if run.output.ndim < 2 or (run.ending.squash and run.ending.squash.source.ndim < 2):
        # Of one image, `squeeze()` leaves no trace of the batch: two tell which dimension it is.
        run, note = _run(network, torch.cat([inputs, inputs.flip(-1) * 0.5]), wish, name)
    meaning = decide(
        run.output,
        run.ending,
        choice=wish.choice,
        threshold=wish.threshold,
        name=name,
        kernel=lambda: last_kernel(lambda: pick(network(inputs), run.path)),
    )
    finish = Finish(meaning)
    flattened = ""
    if run.output.ndim == 4:
        flattened = f"the network's output (N, {run.output.shape[1]}, 1, 1) is flattened"
    notes = tuple(each for each in (note, flattened, meaning.note) if each)
    if meaning.peel:
        _prove(meaning.kind, finish(run.logits), run.output / run.ending.scale, name)
    as_it_is = not run.path and not meaning.peel and meaning.plain and run.output.ndim == 2
    if as_it_is:
        return Adapted(network, meaning.kind, meaning.count, run.output[:1], notes)
    adapted = _adapted(network, inputs, run, meaning, finish, layer)
    with_end = finish(run.logits if meaning.peel else run.output)[:1]
    return Adapted(adapted, meaning.kind, meaning.count, with_end, notes)


@torch.no_grad()
def pick_logits(network: nn.Module, inputs: Tensor, wish: OutputWish, name: str) -> nn.Module:
    """Return the network with nothing but its logits as they are; itself if it has no other output.

    Args:
        network: As for `adapt`.
        inputs: As for `adapt`.
        wish: As for `adapt`.
        name: As for `adapt`.

    Raises:
        ModelError: As for `adapt`.
    """
    path = _run(network, inputs, wish, name)[0].path
    return with_forward(network, lambda output: pick(output, path)) if path else network


@dataclass(frozen=True, slots=True)
class Finish:
    """From logits in a network's own form to logits ``(N, count)``.

    Attributes:
        meaning: Says what is to be done.
    """

    meaning: Meaning

    def __call__(self, values: Tensor) -> Tensor:
        """Return logits ``(N, count)``; works on `torch.fx` proxies, too."""
        meaning = self.meaning
        if meaning.inverse == "logit":
            values = torch.logit(values, eps=1e-7)
        elif meaning.inverse == "log":
            values = torch.log(torch.clamp_min(values, 1e-30))
        if meaning.kind.name == "binary":
            values = values.reshape(-1, 1)
            return torch.cat([-values, values], 1)
        return values if meaning.two_dimensional else values.reshape(-1, meaning.count)


def _run(network: nn.Module, inputs: Tensor, wish: OutputWish, name: str) -> tuple[_Run, str]:
    """Run a network and find the logits and what they are made of."""
    with Tape() as tape:
        given = _outputs(network, inputs, name)
    if isinstance(given, Tensor) and wish.name is None:
        path: Path = ()
        note = ""
    else:
        counted = count_labels(wish.labels)
        try:
            found = choose_logits(given, wanted=wish.name, class_count=counted, network=name)
        except ModelError:
            if wish.name is not None:
                raise
            with torch.enable_grad():  # which says what is made of what
                again = network(inputs.clone().requires_grad_())
                found = choose_logits(again, wanted=None, class_count=counted, network=name)
        path = found.path
        note = f"of the network's outputs, the logits are {found}" if path else ""
    output = pick(given, path)
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise _no_logits(name, output)
    ending = tape.ending(output)
    if any(each.role == "pick" for each in ending.behind) and not _has_two_classes(ending):
        ending = Ending(ending.last)
    return _Run(path, output, ending, ending.peel() if ending.squash else output), note


def _outputs(network: nn.Module, inputs: Tensor, name: str) -> Any:  # noqa: ANN401
    try:
        # A traced module that is called writes to stderr where it fails.
        return network.forward(inputs) if isinstance(network, fx.GraphModule) else network(inputs)
    except Exception as exc:  # the network's own code
        height, width = inputs.shape[-2:]
        raise ModelError(
            "cannot run the network",
            f"on a picture of {width}x{height}",
            str(exc).partition("\n")[0],
            "Say what it wants with preprocessing=Preprocessing(...)",
        ) from exc


def _has_two_classes(ending: Ending) -> bool:
    assert ending.squash is not None, "something was picked of it"
    shape = ending.squash.source.shape
    return len(shape) == 2 and shape[1] == 2


def _no_logits(name: str, output: object) -> ModelError:
    shape = tuple(getattr(output, "shape", ()))
    cause = f"its output {shape} is not (N, classes)"
    return ModelError("cannot use the network", name, cause)


def _prove(kind: OutputKind, logits: Tensor, own: Tensor, name: str) -> None:
    """Check that the probabilities are those of the network's own code."""
    if kind.inside is not None and kind.inside.startswith("log-"):
        own = own.exp()
    found = torch.from_numpy(kind.probabilities(logits.numpy()))
    own = own.reshape(found.shape[0], -1).double()
    if kind.name == "binary":
        own = torch.cat([1 - own, own], 1)
    if not torch.allclose(found, own, rtol=0, atol=_SAME):
        cause = f"without its {kind.inside} it gives other probabilities"
        step = 'Say output="raw", or hand over the network without it'
        raise ModelError("cannot understand the output", name, cause, step)


def _adapted(
    network: nn.Module,
    inputs: Tensor,
    run: _Run,
    meaning: Meaning,
    finish: Finish,
    layer: str | None,
) -> nn.Module:
    path = run.path
    if not meaning.peel:
        return with_forward(network, lambda output: finish(pick(output, path)))
    picked = with_forward(network, lambda output: pick(output, path)) if path else network
    graph = _peeled_graph(picked, finish, layer, inputs, finish(run.logits))
    if graph is not None:
        return graph

    def peel(output: Any, tape: Tape) -> Tensor:  # noqa: ANN401
        result: Tensor = finish(peel_run(tape, pick(output, path)))
        return result

    return with_recorded_forward(network, peel)


def _peeled_graph(
    network: nn.Module, finish: Finish, layer: str | None, inputs: Tensor, expected: Tensor
) -> fx.GraphModule | None:
    """Trace a network and cut its squashing off; ``None`` where that cannot be done."""
    try:
        leaf = network.get_submodule(layer) if layer else None
        whole = trace(network, leaf=leaf).eval()
        if not peel_graph(whole, finish):
            return None
        same = torch.allclose(whole.forward(inputs), expected[:1], 1e-4, 1e-4)
    except Exception:  # tracing runs the network's own code
        return None
    return whole if same else None


def with_forward(network: nn.Module, end: Callable[[Any], Tensor]) -> nn.Module:
    """Return a network that goes on with a function of its output; its modules are shared.

    Its modules keep their names, and a tracer sees what the function does.
    """
    run = _forward_of(network)

    def forward(self: nn.Module, inputs: Tensor) -> Tensor:
        return end(run(self, inputs))

    return _reclassed(network, forward)


def with_recorded_forward(network: nn.Module, end: Callable[[Any, Tape], Tensor]) -> nn.Module:
    """As `with_forward`, with a function that is also given the last operations of the run."""
    run = _forward_of(network)

    def forward(self: nn.Module, inputs: Tensor) -> Tensor:
        if isinstance(inputs, fx.Proxy):
            raise TypeError("the end of this network is cut off while it runs")
        with Tape() as tape:
            output = run(self, inputs)
        return end(output, tape)

    return _reclassed(network, forward)


def _forward_of(network: nn.Module) -> Callable[[nn.Module, Tensor], Any]:
    own = network.__dict__.get("forward")
    if own is not None:  # somebody has put one over the class's
        return lambda _self, inputs: own(inputs)
    forward: Callable[[nn.Module, Tensor], Any] = type(network).forward
    return forward


def _reclassed(network: nn.Module, forward: Callable[..., Tensor]) -> nn.Module:
    kind = type(network)
    reclassed = copy.copy(network)
    reclassed.__dict__.pop("forward", None)
    reclassed.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return reclassed
