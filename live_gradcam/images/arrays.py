"""Arrays and tensors become images: grey, with transparency, of other number types, RGB or BGR."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import SourceError
from live_gradcam.image_like import ColorOrder
from live_gradcam.images.pixels import MAX_PIXELS, over_white
from live_gradcam.images.read import LoadedImage, sixteen_bits_to_levels
from live_gradcam.native import cv2
from live_gradcam.values import Image

WHAT = "cannot use this picture"
"""The first words of errors about what was given as a picture."""

# Rounding of numbers that were computed to be in 0..1.
_SLACK = 1e-3
_CHANNELS = (1, 3, 4)


def is_tensor(given: object) -> bool:
    """Return whether this is a tensor of torch; whoever has one has loaded torch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.Tensor)


def describe(values: Any) -> str:  # noqa: ANN401 - an array or a tensor
    """Return what an array or a tensor is, e.g. ``array of float32 (4, 4, 3)``."""
    dtype = str(values.dtype).removeprefix("torch.")
    return f"{'tensor' if is_tensor(values) else 'array'} of {dtype} {tuple(values.shape)}"


def array_to_image(values: NDArray[Any], color: ColorOrder) -> LoadedImage:
    """Make an image of an array.

    Args:
        values: ``(H, W)`` or ``(H, W, 1)`` grey, ``(H, W, 3)``, or ``(H, W, 4)`` with alpha last,
            which is laid on white. ``uint8``; ``uint16``, scaled as in an image file; ``bool``;
            other whole numbers in 0..255; fractions in 0..1.
        color: Order of its colours.

    Returns:
        ``uint8 (H, W, 3)`` BGR: the array itself where it is that already.

    Raises:
        SourceError: It is nothing of this.
    """
    if values.dtype == np.uint8 and values.ndim == 3 and values.shape[2] == 3 and color == "bgr":
        _check_size(values)
        return LoadedImage(values)
    _check_shape(values)
    _check_size(values)
    levels = _levels(values, describe(values))
    return LoadedImage(_to_bgr(levels.image, color), levels.notes)


def tensor_to_image(tensor: Any, color: ColorOrder) -> LoadedImage:  # noqa: ANN401 - torch's
    """Make an image of a tensor of torch.

    Args:
        tensor: ``(C, H, W)`` of 1, 3 or 4 channels, ``(H, W)`` grey, or a batch of one; on any
            device. Numbers as for `array_to_image`.
        color: Order of its colours.

    Raises:
        SourceError: It is nothing of this.
    """
    where = describe(tensor)
    if tensor.is_sparse or tensor.is_quantized or tensor.device.type == "meta":
        kind = "is on the meta device" if tensor.device.type == "meta" else "is not dense"
        raise SourceError(WHAT, where, f"it {kind} and so holds no pixels")
    shape = tuple(tensor.shape)
    if len(shape) == 4 and shape[0] == 1:
        tensor, shape = tensor[0], shape[1:]
    if len(shape) == 4:
        step = "Give it to explain_batch"
        raise SourceError(WHAT, where, f"it is a batch of {shape[0]} pictures", step)
    if len(shape) == 3 and shape[0] not in _CHANNELS and shape[2] in _CHANNELS:
        cause = "a tensor has its channels first: (C, H, W)"
        raise SourceError(WHAT, where, cause, "Give tensor.permute(2, 0, 1)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in _CHANNELS):
        raise SourceError(WHAT, where, "a tensor is (C, H, W) with 1, 3 or 4 channels, or (H, W)")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy has no bfloat16
    values = np.asarray(tensor.numpy())
    if values.ndim == 3:
        values = values.transpose(1, 2, 0)
    _check_size(values)
    levels = _levels(values, where)
    return LoadedImage(_to_bgr(levels.image, color), levels.notes)


def _check_shape(values: NDArray[Any]) -> None:
    shape = values.shape
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS):
        return
    where = describe(values)
    if len(shape) == 3 and shape[0] in _CHANNELS:
        cause = "an array has its channels last: (H, W, 3)"
        raise SourceError(WHAT, where, cause, "Give array.transpose(1, 2, 0)")
    if len(shape) == 4:
        step = "Give it to explain_batch"
        raise SourceError(WHAT, where, f"it is a batch of {shape[0]} pictures", step)
    cause = "an array is (H, W), (H, W, 3) or (H, W, 4), such as uint8 (480, 640, 3)"
    raise SourceError(WHAT, where, cause)


def _check_size(values: NDArray[Any]) -> None:
    height, width = values.shape[:2]
    if not values.size:
        raise SourceError(
            WHAT, describe(values), "it is empty", "Give uint8 (H, W, 3), for example"
        )
    if height * width > MAX_PIXELS:
        cause = f"{width}x{height} has more than {MAX_PIXELS // 1_000_000} megapixels"
        raise SourceError(WHAT, describe(values), cause, "Scale it down first")


def _levels(values: NDArray[Any], where: str) -> LoadedImage:
    """Convert numbers to ``uint8``; the shape stays."""
    kind = values.dtype.kind
    if values.dtype == np.uint8:
        return LoadedImage(values)
    if kind == "b":
        return LoadedImage(values.astype(np.uint8) * np.uint8(255))
    if kind == "u" and values.dtype.itemsize == 2:  # in either order of bytes
        return sixteen_bits_to_levels(values, where)
    if kind not in "iuf":
        cause = "its values are no real numbers"
        raise SourceError(WHAT, where, cause, "Give uint8, or fractions in 0..1")
    if kind == "f" and not np.isfinite(values).all():
        raise SourceError(WHAT, where, "it holds values that are not finite (NaN or infinity)")
    low, high = values.min(), values.max()
    if kind in "iu":
        if low >= 0 and high <= 255:
            return LoadedImage(values.astype(np.uint8))
        cause = f"its values go from {low} to {high}, and whole numbers have to be in 0..255"
        raise SourceError(WHAT, where, cause, "Scale them, and give uint8")
    if low >= -_SLACK and high <= 1 + _SLACK:
        scaled = np.rint(np.clip(values.astype(np.float32), 0.0, 1.0) * 255.0)
        return LoadedImage(scaled.astype(np.uint8))
    cause = f"its values go from {low:.4g} to {high:.4g}, and fractions have to be in 0..1"
    if low >= 0 and 2.8 < high <= 255:  # brighter than white after any usual normalisation
        step = "Divide by 255, or give uint8"
    else:
        step = (
            "If it is normalised, give the picture from before: the explainer normalises by itself"
        )
    raise SourceError(WHAT, where, cause, step)


def _to_bgr(levels: NDArray[np.uint8], color: ColorOrder) -> Image:
    levels = np.ascontiguousarray(levels)
    if levels.ndim == 3 and levels.shape[2] == 4:
        levels = over_white(levels)
    if levels.ndim == 2 or levels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR), np.uint8)
    if color == "bgr":
        return levels
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2BGR), np.uint8)
