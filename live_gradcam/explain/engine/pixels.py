"""The engine's pixels as the network wants them: channels, range and normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from live_gradcam.preprocessing.channels import LUMA, Plane
from live_gradcam.preprocessing.settings import Preprocessing

_BLUE, _GREEN, _RED = range(3)
_COLOURS = {"blue": _BLUE, "green": _GREEN, "red": _RED}
_OPAQUE = 255.0


class InputPixels(nn.Module):
    """From ``uint8 (N, H, W, 3)`` BGR to a network's normalised input.

    A plain sequence of operations, which a compiler fuses with the network's first layer.

    Args:
        preprocessing: The network's; its size does not matter here.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.planes = preprocessing.planes
        self.divisor = preprocessing.divisor
        shape = (1, len(self.planes), 1, 1)
        # Subtracted together with what black becomes.
        mean = torch.tensor(preprocessing.mean) - preprocessing.offset
        self.register_buffer("mean", mean.view(shape))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(shape))

    @override
    def extra_repr(self) -> str:
        """Name what no tensor holds: compiled packages are told apart by it."""
        return f"planes={self.planes}, divisor={self.divisor}"

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        """Return float32 ``(N, channels, H, W)``.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, BGR.
        """
        return (self.values(pixels) / self.divisor - self.mean) / self.std

    def values(self, pixels: Tensor) -> Tensor:
        """Return the channels as they are, float32 in 0..255."""
        bgr = pixels.permute(0, 3, 1, 2)
        if self.planes == ("red", "green", "blue"):
            return bgr.flip(1).float()
        if self.planes == ("blue", "green", "red"):
            return bgr.float()
        return torch.cat([_plane(bgr, plane) for plane in self.planes], 1)


def _plane(bgr: Tensor, plane: Plane) -> Tensor:
    """Return one channel, float32 ``(N, 1, H, W)`` in 0..255."""
    if plane in _COLOURS:
        position = _COLOURS[plane]
        return bgr[:, position : position + 1].float()
    if plane == "gray":
        weighted = [LUMA[name] * _plane(bgr, name) for name in ("red", "green", "blue")]
        # PIL's integers: all sums are below 2**24, where float32 is exact.
        return torch.floor((weighted[0] + weighted[1] + weighted[2] + 32768.0) / 65536.0)
    return torch.full_like(bgr[:, :1], _OPAQUE if plane == "alpha" else 0.0, dtype=torch.float32)
