"""Search for the state dicts in a checkpoint, and the choice of the one that is meant.

Training programs wrap a network's weights in their own ways, sometimes twice, and keep more than
one set of them: averaged over the last steps (EMA, SWA), a teacher, an optimiser's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.inert import Inert, children

_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model_states",
    "model",
    "net",
    "network",
    "module",
    "student",
    "weights",
    "params",
)
_DEEPEST = 4
_AVERAGED = re.compile(
    r"(?i)(?<![a-z])ema(?![a-z])|(?<![a-z])ema_?(callback|weights|model|state|params)"
    r"|averag(ed|ing)|(?<![a-z])swa(?![a-z])|shadow|teacher"
)
_NO_NETWORK = re.compile(
    r"(?i)optim|sched|scaler|criterion|loss|metric|(?<![a-z])(rng|random|dataloader|sampler)"
)


@dataclass(frozen=True, slots=True, eq=False)
class StateDict:
    """One set of weights in a checkpoint.

    Attributes:
        path: Keys that lead to it; empty where the file itself is the state dict.
        entries: Its tensors by name, and what else stands among them.
        is_averaged: ``True`` if they are averaged over training steps.
    """

    path: tuple[str, ...]
    entries: Mapping[Any, Any]
    is_averaged: bool = False

    @property
    def name(self) -> str:
        """Key for ``--state``."""
        return ".".join(self.path)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name."""
        return {str(key): each for key, each in self.entries.items() if isinstance(each, Tensor)}

    @property
    def where(self) -> str:
        """Its place in the file, for messages."""
        return " > ".join(repr(key) for key in self.path)


def is_averaged_name(name: str) -> bool:
    """Return ``True`` if a name says that weights are averaged over training steps."""
    return bool(_AVERAGED.search(name))


def find_states(content: object) -> list[StateDict]:
    """Return all sets of weights in a checkpoint, the likeliest first."""
    found = list(_search(content, (), set()))
    averaging = isinstance(content, Mapping) and "averaging_state" in content
    marked = [
        # Lightning's averaging callback swaps the averaged weights into the usual place.
        StateDict(each.path, each.entries, True)
        if averaging and each.path == ("state_dict",)
        else each
        for each in found
    ]
    return sorted(marked, key=_rank)


def _search(content: object, path: tuple[str, ...], seen: set[int]) -> Iterator[StateDict]:
    if id(content) in seen:  # containers of a file may hold each other, a thousand times over
        return
    seen.add(id(content))
    if isinstance(content, Inert) and content.entries:  # of a class of dictionaries
        content = content.entries
    if isinstance(content, Mapping) and _is_state(content):
        averaged = any(map(is_averaged_name, path))
        yield StateDict(path, content, averaged)
        return
    if len(path) >= _DEEPEST or (isinstance(content, Inert) and content.is_network):
        return
    for key, value in children(content):
        if isinstance(value, (Mapping, Inert)) and not _NO_NETWORK.search(key):
            yield from _search(value, (*path, key), seen)


def _is_state(content: Mapping[Any, Any]) -> bool:
    """Return ``True`` if most values are tensors; labels and counters may stand beside them."""
    tensors = [key for key, value in content.items() if isinstance(value, Tensor)]
    return 2 * len(tensors) > len(content) and any(isinstance(key, str) for key in tensors)


def _rank(state: StateDict) -> tuple[int, int, int]:
    known = [_KEYS.index(key) if key in _KEYS else len(_KEYS) for key in state.path]
    return (len(state.path), max(known, default=0), -len(state.tensors))


def choose_state(
    path: Path, states: Sequence[StateDict], wanted: str | None, notes: list[str]
) -> StateDict:
    """Return the set of weights to take.

    Averaged weights are taken where they belong to the same network, as training programs evaluate
    with them.

    Args:
        path: The file, for messages.
        states: All that are in it, the likeliest first; at least one.
        wanted: The user's choice.
        notes: Receives one sentence for each thing that had to be interpreted.

    Raises:
        ModelError: There is no such set of weights.
    """
    if wanted is not None:
        return _named(path, states, wanted)
    first = next((each for each in states if not each.is_averaged), states[0])
    averaged = next((each for each in states if each.is_averaged and _same(each, first)), None)
    chosen = averaged or first
    if averaged is not None and averaged is not first:
        notes.append(
            f"the averaged weights were taken, {chosen.where} in the file; "
            f"--state {first.name} takes the others"
        )
        return _completed(averaged, first)
    if chosen.path:
        others = [each.name for each in states if each is not chosen]
        more = f", and there are others: --state {' or '.join(others[:3])}" if others else ""
        notes.append(f"the weights were found under {chosen.where} in the file{more}")
    return chosen


def _named(path: Path, states: Sequence[StateDict], wanted: str) -> StateDict:
    for each in states:
        if wanted == each.name or (each.path and wanted in (each.path[0], each.path[-1])):
            return each
    for each in states:  # a part of one: a network beside others
        part = wanted.rstrip(".") + "."
        inside = {
            k: v for k, v in each.entries.items() if isinstance(k, str) and k.startswith(part)
        }
        if inside:
            entries = {key.removeprefix(part): value for key, value in inside.items()}
            return StateDict((*each.path, wanted.rstrip(".")), entries)
    names = [each.name for each in states if each.path]
    there = f"It has {', '.join(names)}" if names else "It holds one state dict and no keys"
    raise ModelError("cannot use weights", str(path), f"it has no weights under {wanted!r}", there)


def _same(averaged: StateDict, other: StateDict) -> bool:
    """Return ``True`` if two sets of weights are of one network."""
    if averaged is other:
        return True
    mine, theirs = _shapes(averaged), _shapes(other)
    return mine == theirs or (len(mine) * 2 > len(theirs) and _is_part(mine, theirs))


def _shapes(state: StateDict) -> list[tuple[int, ...]]:
    return sorted(tuple(each.shape) for each in state.tensors.values() if each.ndim)


def _is_part(few: list[tuple[int, ...]], many: list[tuple[int, ...]]) -> bool:
    rest = iter(many)
    return all(shape in rest for shape in few)


def _completed(averaged: StateDict, other: StateDict) -> StateDict:
    """Return averaged parameters with the buffers of the others, where only those were averaged."""
    mine, theirs = averaged.tensors, other.tensors
    if len(mine) < len(theirs) and mine.keys() <= theirs.keys():
        return StateDict(averaged.path, {**other.entries, **mine}, True)
    return averaged
