"""A file of weights as tensors by name, with what else it says about its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_gradcam.explain.networks.inert import Inert
from live_gradcam.explain.networks.inside_labels import InsideLabels, find_labels
from live_gradcam.explain.networks.states import choose_state, find_states
from live_gradcam.explain.networks.training_names import belongs_to_training
from live_gradcam.explain.networks.weight_files import (
    listed,
    objects_error,
    read_content,
    weights_error,
)
from live_gradcam.explain.omp import short_lived_thread

# Wrappers put these before every name: DataParallel, torch.compile, Lightning and the like.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_LONGEST_NAME = 500
_NOT_PARAMETERS = frozenset({"n_averaged"})


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Content of a file of weights.

    Attributes:
        tensors: Parameters and buffers by name, floating point as float32.
        inside_labels: All names of classes that the file has.
        notes: One sentence for each thing that had to be interpreted.
        versions: torch's own version notes of the modules, needed to load some old files.
        states: Keys of all sets of weights in the file; ``""`` where the file is one itself.
        state: Key of the one that was taken.
    """

    tensors: dict[str, Tensor]
    inside_labels: tuple[InsideLabels, ...] = ()
    notes: tuple[str, ...] = ()
    versions: Any = None
    states: tuple[str, ...] = ("",)
    state: str = ""

    @property
    def labels(self) -> Any:  # noqa: ANN401
        """Names of the classes in the file's own form; ``None`` where it has none."""
        return self.inside_labels[0].content if self.inside_labels else None


@short_lived_thread
def read_checkpoint(path: Path, *, trusted: bool = False, state: str | None = None) -> Checkpoint:
    """Read weights from a file: a state dict, a training checkpoint around one, or safetensors.

    Args:
        path: The file.
        trusted: ``True`` skips the checksums, for a file whose hash has been checked.
        state: Key of the set of weights to take where the file has several; averaged ones are
            taken, and said, where it is ``None``.

    Raises:
        ModelError: The file is missing, damaged, dangerous, or something else than weights, or
            has no such set of weights.
    """
    content = read_content(path, trusted=trusted)
    if isinstance(content, (list, tuple)) and any(isinstance(each, Mapping) for each in content):
        content = {str(index): each for index, each in enumerate(content)}
    if isinstance(content, Inert) and content.entries and not content.is_network:
        content = content.entries
    if isinstance(content, Inert):
        raise objects_error(path, _described(content))
    if not isinstance(content, Mapping):
        raise weights_error(path, f"it holds one {type(content).__name__}, not a state dict")
    states = find_states(content)
    if not states:
        raise _no_state(path, content)
    notes: list[str] = []
    chosen = choose_state(path, states, state, notes)
    tensors = _strip_prefixes(chosen.tensors, notes)
    if any(len(name) > _LONGEST_NAME for name in tensors):
        raise weights_error(path, f"its tensors have names of more than {_LONGEST_NAME} letters")
    _note_half(tensors, notes)
    try:
        tensors = {key: _copy_tensor(path, key, value) for key, value in tensors.items()}
    except RuntimeError as exc:
        raise weights_error(path, f"its tensors cannot be read ({exc})") from exc
    return Checkpoint(
        tensors,
        find_labels(content),
        tuple(notes),
        getattr(chosen.entries, "_metadata", None),
        tuple(each.name for each in states),
        chosen.name,
    )


def _described(value: Inert) -> str:
    kind = "a whole network of class" if value.is_network else "an object of"
    return f"{kind} {value.name}"


def _no_state(path: Path, content: Mapping[Any, Any]) -> Exception:
    objects = [each for each in content.values() if isinstance(each, Inert)]
    networks = [each for each in objects if each.is_network]
    if networks:
        return objects_error(path, listed([_described(each) for each in networks]))
    keys = ", ".join(repr(str(key))[:40] for key in list(content)[:6]) or "nothing"
    return weights_error(path, f"it holds no state dict, only {keys}")


def _strip_prefixes(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    tensors = {key: value for key, value in tensors.items() if key not in _NOT_PARAMETERS}
    while True:
        shared = (p for p in _PREFIXES if all(key.startswith(p) for key in tensors))
        prefix = next(shared, None)
        if prefix is None or not tensors:
            return tensors
        notes.append(f"the prefix {prefix!r} was taken off every name")
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}


_HALF = (torch.float16, torch.bfloat16)


def _note_half(tensors: Mapping[str, Tensor], notes: list[str]) -> None:
    if any(tensor.dtype in _HALF for tensor in tensors.values()):
        notes.append("half-precision weights were converted to float32")


_UNUSABLE: tuple[tuple[Callable[[Tensor], bool], str], ...] = (
    (lambda tensor: tensor.layout is not torch.strided, "is sparse"),
    (lambda tensor: tensor.is_quantized, "is quantised"),
    (lambda tensor: tensor.is_complex(), "is complex"),
    (lambda tensor: tensor.is_meta, "has no numbers"),
    # A tiny storage repeated by strides of zero would become gigabytes when it is copied.
    (
        lambda tensor: tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes(),
        "claims more numbers than the file has",
    ),
)


def _copy_tensor(path: Path, name: str, tensor: Tensor) -> Tensor:
    """Return a dense, finite copy, float32 where it is floating point.

    Copied because the file is mapped into memory: a training run that overwrites it must not
    change the weights of a running session.
    """
    for unusable, cause in _UNUSABLE:
        if unusable(tensor):
            raise weights_error(path, f"its tensor {name!r} {cause}")
    if not tensor.is_floating_point():
        return tensor.detach().clone()
    copied = tensor.detach().to(torch.float32, copy=True).contiguous()
    # A training run's own numbers, such as the best loss so far, may be infinite.
    if belongs_to_training(name):
        return copied
    # In float64 no sum of finite float32 numbers overflows, and one pass is enough.
    if not bool(copied.sum(dtype=torch.float64).isfinite()):
        raise weights_error(
            path,
            f"its tensor {name!r} holds values that are not finite",
            "The training run diverged; use an earlier checkpoint",
        )
    return copied
