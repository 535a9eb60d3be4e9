"""Normalisation that a checkpoint's network does itself, kept as buffers beside its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from live_gradcam.preprocessing.settings import Preprocessing

_MEANS = frozenset({"mean", "pixel_mean", "image_mean", "img_mean", "_mean", "norm_mean", "mu"})
_STDS = frozenset({"std", "pixel_std", "image_std", "img_std", "_std", "norm_std", "sigma"})


# More than any camera has; longer vectors are no channels' means.
_MOST_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class OwnNormalisation:
    """Mean and standard deviation of each channel, in 0..1.

    Attributes:
        mean: Subtracted.
        std: Divided by.
        names: Names of the two tensors in the file.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: frozenset[str]

    def apply(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return a preprocessing with this normalisation in place of its own."""
        count = len(self.mean)
        if count != len(preprocessing.planes):
            preprocessing = preprocessing.for_channels(count)
        return replace(preprocessing, mean=self.mean, std=self.std, value_range=(0.0, 1.0))

    @property
    def note(self) -> str:
        """Sentence about it."""
        shown = " and ".join(repr(name) for name in sorted(self.names))
        return f"the network's own normalisation was taken, {shown} in the file"


def find_normalisation(tensors: Mapping[str, Tensor]) -> OwnNormalisation | None:
    """Return the normalisation among tensors that are no part of a network.

    Args:
        tensors: By name.
    """
    means = [name for name in tensors if name.rpartition(".")[2] in _MEANS]
    stds = [name for name in tensors if name.rpartition(".")[2] in _STDS]
    for mean_name in means:
        for std_name in stds:
            if mean_name.rpartition(".")[0] != std_name.rpartition(".")[0]:
                continue
            mean, std = (tensors[name].flatten().tolist() for name in (mean_name, std_name))
            if 0 < len(mean) == len(std) <= _MOST_CHANNELS and min(std) > 0:
                scale = 255.0 if max(*mean, *std) > 1.5 else 1.0  # of pixels in 0..255
                return OwnNormalisation(
                    tuple(value / scale for value in mean),
                    tuple(value / scale for value in std),
                    frozenset({mean_name, std_name}),
                )
    return None
