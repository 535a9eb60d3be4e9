"""Operations at a network's end: what each one does to the numbers, however it is spelled.

The same names come from a recorded run (functions and methods) and from a traced graph (functions,
methods and modules): ``nn.Softmax(1)``, ``F.softmax(x, 1)`` and ``x.softmax(1)`` are one operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn

from live_gradcam.values import SquashingName

Role: TypeAlias = Literal["squash", "keep", "drop", "exp", "log", "complement", "scale", "pick"]
"""What an operation does behind a squashing: it is one itself, it changes the form only (``keep``),
it changes nothing that matters (``drop``), it makes probabilities of logarithms or the reverse,
``1 - p``, ``a p``, or it takes one class."""

SQUASHINGS: Mapping[str, SquashingName] = {
    "softmax": "softmax",
    "log_softmax": "log-softmax",
    "sigmoid": "sigmoid",
    "expit": "sigmoid",
    "logsigmoid": "log-sigmoid",
    "log_sigmoid": "log-sigmoid",
}

BOUNDED = frozenset(
    (
        "tanh",
        "hardtanh",
        "hardsigmoid",
        "softsign",
        "relu6",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "erf",
        "sin",
        "cos",
    )
)
"""Operations whose results have bounds: no logits come out of them."""

POSITIVE = frozenset(
    (
        "relu",
        "softplus",
        "exp",
        "square",
        "abs",
        "sqrt",
        "gelu",
        "elu",
        "silu",
        "hardswish",
    )
)
"""Operations whose results are, all or nearly all, positive: one such number is no logit."""

_KEEP = frozenset(
    (
        "flatten",
        "view",
        "reshape",
        "squeeze",
        "unsqueeze",
        "contiguous",
        "clone",
        "float",
        "to",
        "dropout",
        "identity",
    )
)
_MODULES: Mapping[type[nn.Module], str] = {
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
    nn.Softmax2d: "softmax",
    nn.Sigmoid: "sigmoid",
    nn.LogSigmoid: "logsigmoid",
    nn.Flatten: "flatten",
    nn.Identity: "identity",
    nn.Dropout: "dropout",
    nn.AlphaDropout: "dropout",
    nn.Tanh: "tanh",
    nn.Hardtanh: "hardtanh",
    nn.Hardsigmoid: "hardsigmoid",
}
# Closer to 0 and 1 than any figure that is shown.
_NO_MATTER = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation and what it works on.

    Attributes:
        name: Without underscores and module names.
        source: The value that it works on: a tensor or a node of a graph.
        rest: Its other arguments by position.
        options: Its arguments by name.
        role: What it does behind a squashing; ``None`` where that is not known.
        again: Does the same to another value.
    """

    name: str
    source: Any
    rest: tuple[Any, ...]
    options: Mapping[str, Any]
    role: Role | None
    again: Callable[[Any], Any]

    @property
    def factor(self) -> float:
        """Of ``scale``: what the value is multiplied with."""
        number = float(self.rest[0])
        return 1.0 / number if "div" in self.name else number

    @property
    def picked(self) -> int:
        """Of ``pick``: the index of the class."""
        if self.name == "select":
            return int(self.rest[1])
        return int(self.rest[0][1])

    def dimension(self, dimensions: int) -> int:
        """Of a softmax: the dimension that it runs over.

        Args:
            dimensions: Number of dimensions of its source.
        """
        given = self.options.get("dim", self.rest[0] if self.rest else None)
        if given is None:  # as torch guesses
            given = 0 if dimensions in (0, 1, 3) else 1
        return int(given) % max(1, dimensions)


def operation(
    name: str,
    args: Sequence[Any],
    options: Mapping[str, Any],
    *,
    is_value: Callable[[Any], bool],
    again: Callable[[Any, Any], Any],
) -> Operation | None:
    """Describe an operation; ``None`` where it does not work on exactly one value.

    Args:
        name: Of the function or method.
        args: Its arguments by position.
        options: Its arguments by name.
        is_value: Tells values from constants.
        again: Does it with the second argument in the place of the first, which is one of its own.
    """
    name = name.strip("_").removeprefix("special_")
    places = [place for place, each in enumerate(args) if is_value(each)]
    named = [key for key, each in options.items() if is_value(each)]
    if name in _KEEP and places[:1] == [0]:  # other values are sizes
        places, named = [0], []
    if len(places) + len(named) != 1:
        return None
    if named:
        source = options[named[0]]
        rest, others = tuple(args), {k: v for k, v in options.items() if k != named[0]}
    else:
        (place,) = places
        if place and name not in ("sub", "mul"):
            return None
        name = "rsub" if place and name == "sub" else name
        source = args[place]
        rest, others = (*args[:place], *args[place + 1 :]), dict(options)
    role = _role(name, rest, others)
    return Operation(name, source, rest, others, role, lambda value: again(source, value))


def module_operation(module: nn.Module) -> tuple[str, dict[str, Any]] | None:
    """Return an elementary module as the name of its function and its options."""
    name = _MODULES.get(type(module))
    if name is None:
        return None
    if isinstance(module, nn.Softmax2d):
        return name, {"dim": -3}
    return name, {"dim": module.dim} if isinstance(module, (nn.Softmax, nn.LogSoftmax)) else {}


def _role(name: str, rest: tuple[Any, ...], options: Mapping[str, Any]) -> Role | None:
    if name in SQUASHINGS:
        return "squash"
    if name in _KEEP:
        return "keep"
    if name == "detach":
        return "drop"
    if name in ("exp", "log"):
        return name  # type: ignore[return-value]
    if name in ("clamp", "clip", "clamp_min", "clamp_max"):
        return "drop" if _is_wide(name, rest, options) else None
    if name == "rsub" and len(rest) == 1 and rest[0] == 1 and not options:
        return "complement"
    numbers = len(rest) == 1 and isinstance(rest[0], (int, float)) and not options
    if name in ("mul", "div", "truediv", "true_divide", "rmul", "multiply") and numbers:
        return "scale" if rest[0] else None
    if name == "getitem" and len(rest) == 1 and isinstance(rest[0], tuple) and len(rest[0]) == 2:
        first, second = rest[0]
        return "pick" if first == slice(None) and isinstance(second, int) else None
    if name == "select" and len(rest) == 2 and rest[0] in (1, -1) and isinstance(rest[1], int):
        return "pick"
    return None


def _is_wide(name: str, rest: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    """True if a clamp changes no probability by as much as is shown."""
    low, high = options.get("min"), options.get("max")
    if name == "clamp_max":
        high = rest[0] if rest else high
    else:
        low = rest[0] if rest else low
        high = rest[1] if len(rest) > 1 else high
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return False
    return low <= _NO_MATTER and high >= 1.0 - _NO_MATTER
