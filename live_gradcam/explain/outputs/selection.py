"""The logits among everything that a network puts out: tuples, dictionaries, dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.wording import did_you_mean

Path: TypeAlias = "tuple[str | int, ...]"
"""Keys, attributes and indices from a network's output to one tensor in it."""

# Best first; what stands before the others in a network that gives several of them.
_NAMES = (
    "logits",
    "class_logits",
    "cls_logits",
    "logit",
    "out",
    "output",
    "outputs",
    "scores",
    "score",
    "pred",
    "preds",
    "prediction",
    "predictions",
    "classification",
    "classes",
    "cls",
    "y_hat",
    "y_pred",
    "y",
)
_DEEPEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One tensor in a network's output.

    Attributes:
        path: The way to it.
        tensor: Itself.
    """

    path: Path
    tensor: Tensor

    @property
    def name(self) -> str:
        """The path as a user writes it."""
        return ".".join(map(str, self.path))

    def __str__(self) -> str:
        sizes = ["N", *map(str, self.tensor.shape[1:])] if self.tensor.ndim else []
        comma = "," if len(sizes) == 1 else ""
        return f"{self.name} ({', '.join(sizes)}{comma})"


def pick(output: Any, path: Path) -> Any:  # noqa: ANN401 - a tensor, or a proxy of one
    """Follow a path through a network's output."""
    for key in path:
        if isinstance(output, Mapping) or isinstance(key, int):
            output = output[key]
        else:
            output = getattr(output, key)
    return output


def find_tensors(output: Any, path: Path = ()) -> Iterator[Found]:  # noqa: ANN401
    """List the tensors in a network's output, in their order."""
    if isinstance(output, Tensor):
        yield Found(path, output)
    elif len(path) < _DEEPEST:
        for key, value in _parts(output):
            yield from find_tensors(value, (*path, key))


def choose_logits(
    output: Any,  # noqa: ANN401
    *,
    wanted: str | int | None,
    class_count: int | None,
    network: str,
) -> Found:
    """Choose the logits in a network's output by their name and shape.

    Args:
        output: Of the network, for one image.
        wanted: Name or index that the user gave.
        class_count: Number of classes, where labels say it.
        network: Its name, for messages.

    Raises:
        ModelError: No tensor or more than one can be meant; all of them are listed.
    """
    found = list(find_tensors(output))
    if wanted is not None:
        return _named(found, wanted, network)
    if isinstance(output, Tensor):
        return found[0]
    fitting = [each for each in found if _may_be_logits(each.tensor)]
    for name in _NAMES:
        named = [each for each in fitting if str(each.path[-1]).lower() == name]
        if len(named) == 1:
            return named[0]
    counted = [each for each in fitting if class_count in _columns(each.tensor)]
    for group in (fitting, counted):
        if len(group) == 1:
            return group[0]
    fitting = _last_made(counted or fitting)
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(map(str, found)) or f"nothing but {type(output).__name__}"
    what = "cannot tell which of the outputs are the logits" if found else "found no logits"
    raise ModelError(
        what, network, f"it puts out {listed}", "Say which with output_name=... or --output-name"
    )


def _named(found: Sequence[Found], wanted: str | int, network: str) -> Found:
    text = str(wanted)
    matches = [each for each in found if each.name == text]
    matches = matches or [
        each for each in found if str(each.path[-1:][0] if each.path else "") == text
    ]
    if not matches and text.isdecimal() and int(text) < len(found):
        matches = [found[int(text)]]
    if not matches and len(found) == 1 and not found[0].path:
        raise ModelError(
            "there is no output of this name", text, f"{network} has one output", "Leave it out"
        )
    if len(matches) != 1:
        hint = did_you_mean(text, [each.name for each in found])
        listed = ", ".join(map(str, found)) or "no tensors"
        step = f"{hint}Choose one of them"
        raise ModelError("there is no output of this name", text, f"there are {listed}", step)
    return matches[0]


def _parts(output: Any) -> Iterator[tuple[str | int, Any]]:  # noqa: ANN401
    if isinstance(output, Mapping):
        yield from output.items()
    elif is_dataclass(output) and not isinstance(output, type):
        yield from ((each.name, getattr(output, each.name)) for each in fields(output))
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        yield from zip(output._fields, output, strict=True)
    elif isinstance(output, (tuple, list)):
        yield from enumerate(output)


def _may_be_logits(tensor: Tensor) -> bool:
    """True for floating ``(1, classes)``, ``(1,)`` and ``(1, classes, 1, 1)``."""
    shape = tensor.shape
    return (
        tensor.is_floating_point()
        and len(shape) in (1, 2, 4)
        and shape[0] == 1
        and tensor.numel() == (shape[1] if len(shape) > 1 else 1)
    )


def _columns(tensor: Tensor) -> tuple[int, ...]:
    """Numbers of classes that a tensor may stand for."""
    columns = tensor.shape[1] if tensor.ndim > 1 else 1
    return (1, 2) if columns == 1 else (columns,)


def _last_made(found: Sequence[Found]) -> list[Found]:
    """Return those that no other one is made of, e.g. not features, but what is made of them."""
    if any(not each.tensor.requires_grad for each in found):
        return list(found)
    last = []
    for each in found:
        made_of_it = [
            other
            for other in found
            if other is not each
            and torch.autograd.grad(
                other.tensor.sum(), each.tensor, retain_graph=True, allow_unused=True
            )[0]
            is not None
        ]
        if not made_of_it or all(_squashes(other.tensor, each.tensor) for other in made_of_it):
            last.append(each)
    # Probabilities that stand beside their own logits are made of them.
    return [
        each
        for each in last
        if not any(other is not each and _squashes(each.tensor, other.tensor) for other in last)
    ]


@torch.no_grad()
def _squashes(tensor: Tensor, logits: Tensor) -> bool:
    """True if a tensor is what a squashing makes of logits of the same shape."""
    if tensor.shape != logits.shape:
        return False
    forms = [logits.sigmoid()]
    if logits.ndim > 1:
        forms += [logits.softmax(1), logits.log_softmax(1)]
    return any(torch.allclose(tensor, form, atol=1e-6) for form in forms)
