"""A network's preprocessing, of what its weights say, what the user says, and its first layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.preprocessing_files import convert_record, read_preprocessing
from live_gradcam.explain.networks.spec import NetworkSpec
from live_gradcam.preprocessing.changes import PreprocessingChanges
from live_gradcam.preprocessing.settings import Preprocessing

PreprocessingLike: TypeAlias = Preprocessing | PreprocessingChanges | Mapping[str, Any] | str | Path
"""All of a preprocessing, some of its numbers, or a JSON file with them; see `convert_record`."""


def read_preprocessing_like(given: PreprocessingLike) -> Preprocessing | PreprocessingChanges:
    """Return what was given, read where it is a file.

    Raises:
        ModelError: The file or the record cannot be used.
    """
    if isinstance(given, (Preprocessing, PreprocessingChanges)):
        return given
    if isinstance(given, Mapping):
        return convert_record(given, "the given preprocessing")
    return read_preprocessing(Path(given))


def fit_preprocessing(spec: NetworkSpec, given: PreprocessingLike | None) -> NetworkSpec:
    """Return a network's description with the preprocessing that the user says.

    What neither the user nor the weights say is taken from the network's first layer, and a note
    says so.

    Args:
        spec: With the preprocessing of the network's weights.
        given: What the user says.

    Raises:
        ModelError: The user's numbers contradict each other or the network's channels.
    """
    said = None if given is None else read_preprocessing_like(given)
    if isinstance(said, Preprocessing):
        return _with(spec, said)
    base, notes = spec.preprocessing, spec.notes
    count = first_channels(spec.network)
    guess = count is not None and (said is None or said.channels is None)
    if guess and count != len(base.planes) and not _takes(spec, len(base.planes)):
        base = base.for_channels(count)  # type: ignore[arg-type]
    if said is not None:
        base = said.apply(base)
    if count is not None and said is not None and said.channels is not None:
        _check_channels(spec, base, count)
    if said is not None and not said.only_resample:
        notes += (f"the network is given {base.describe()}",)
    elif base.channels != spec.preprocessing.channels:
        notes += (
            f"its first layer takes {_channels(len(base.planes))}: the network is given "
            f"{base.describe()} (--channels, --mean and --std say otherwise)",
        )
    return replace(_with(spec, base), notes=notes)


def first_channels(network: nn.Module) -> int | None:
    """Return the number of channels that a network's first convolution takes, if it has one."""
    first = next((each for each in network.modules() if isinstance(each, nn.Conv2d)), None)
    return None if first is None else first.in_channels


def _takes(spec: NetworkSpec, channels: int) -> bool:
    """Return whether the network runs on that many channels, whatever its first layer is."""
    tensors = [*spec.network.parameters(), *spec.network.buffers()]
    if any(each.is_meta for each in tensors):
        return False
    try:
        with torch.no_grad():
            spec.network(torch.zeros(1, channels, *spec.probe_size))
    except Exception:  # a network's own code, which may raise anything
        return False
    return True


def _check_channels(spec: NetworkSpec, preprocessing: Preprocessing, count: int) -> None:
    """Refuse channels that contradict the first layer, in words that name both.

    Raises:
        ModelError: The network does not take that many.
    """
    said = len(preprocessing.planes)
    if said != count and not _takes(spec, said):
        cause = f"{preprocessing.channels} has {said}, and its first layer takes {count}"
        step = "Name as many with --channels, such as gray, rgb, rgba or rgb+zeros"
        raise ModelError("cannot use these channels", spec.name, cause, step)


def _with(spec: NetworkSpec, preprocessing: Preprocessing) -> NetworkSpec:
    before, after = spec.preprocessing.input_size, preprocessing.input_size
    if before == after:
        return replace(spec, preprocessing=preprocessing)
    # Networks of any size are checked with smaller images than they are given.
    probe = after if spec.probe_size == before else _smaller(spec.probe_size, after)
    return replace(spec, preprocessing=preprocessing, probe_size=probe)


def _smaller(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return min(a[0], b[0]), min(a[1], b[1])


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
