"""The numbers in the description are enough to make the network's pixels, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.preprocessing.plan import plan_frame, prepare_pixels
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.site.preprocessing import describe_preprocessing
from live_gradcam.values import Image

# Of each filter the weights, and how far it reaches.
KERNELS: Mapping[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (lambda x: max(0.0, 1.0 - abs(x)), 1.0),
    "bicubic": (
        lambda x: (
            ((1.5 * abs(x) - 2.5) * x * x + 1.0)
            if abs(x) < 1
            else (((abs(x) - 5) * abs(x) + 8) * abs(x) - 4) * -0.5
            if abs(x) < 2
            else 0.0
        ),
        2.0,
    ),
}


def from_description(image: Image, said: Mapping[str, Any], view: str) -> Image:
    """Make the network's pixels of an image, RGB to RGB, from nothing but the description."""
    height, width = image.shape[:2]
    shown = (said["height"], said["width"])
    if view == "stretch":
        resized = shown
    elif said["resize"] is None:
        resized = (said["resize_height"], said["resize_width"])
    else:
        whole = math.floor if said["rounding"] == "floor" else round
        short, side = min(shown), said["resize"]
        if height * shown[1] <= width * shown[0]:
            tall = round(side * shown[0] / short)
            resized = (tall, max(shown[1], whole(tall * width / height)))
        else:
            wide = round(side * shown[1] / short)
            resized = (max(shown[0], whole(wide * height / width)), wide)
    first = [round((target - kept) / 2) for target, kept in zip(resized, shown, strict=True)]
    columns = resample(image, 1, resized[1], first[1], shown[1], said)
    return resample(columns, 0, resized[0], first[0], shown[0], said)


def resample(
    image: Image, axis: int, target: int, first: int, count: int, said: Mapping[str, Any]
) -> Image:
    """One pass of PIL's resize: weights in whole numbers, sums rounded to grey levels."""
    length, bits = image.shape[axis], 22  # 32 less 8 for the grey level and 2 for sums of several
    kernel, support = KERNELS[said["filter"]]
    if target == length:  # PIL leaves out a pass that changes nothing
        return np.take(image, range(first, first + count), axis)
    step = length / target
    coarse = max(step, 1.0)
    reach = support * coarse
    lines = []
    for place in range(first, first + count):
        centre = (place + 0.5) * step
        low, high = max(0, int(centre - reach + 0.5)), min(length, int(centre + reach + 0.5))
        weights = [kernel((each - centre + 0.5) / coarse) for each in range(low, high)]
        total = math.fsum(weights)
        whole = [int(math.copysign(0.5, w) + w / total * (1 << bits)) for w in weights]
        part = np.take(image, range(low, high), axis).astype(np.int64)
        sums: NDArray[np.int64] = np.tensordot(part, np.array(whole), ((axis,), (0,)))
        lines.append(np.clip((sums + (1 << (bits - 1))) >> bits, 0, 255).astype(np.uint8))
    return np.stack(lines, axis)


@pytest.mark.parametrize(
    ("preprocessing", "size"),
    [
        (Preprocessing(resize_size=32, crop_size=28), (37, 61)),
        (Preprocessing(resize_size=32, crop_size=28), (90, 41)),
        (Preprocessing(resize_size=32, crop_size=28), (20, 25)),
        (Preprocessing(resize_size=32, crop_size=28), (32, 47)),
        (Preprocessing(resize_size=30, crop_size=30, interpolation="bicubic"), (64, 99)),
        (Preprocessing(resize_size=(24, 32), crop_size=(24, 32)), (50, 33)),
        (Preprocessing(resize_size=28, crop_size=(24, 32)), (50, 73)),
    ],
)
@pytest.mark.parametrize("view", ["crop", "stretch"])
def test_the_pixels_are_those_of_a_run(
    preprocessing: Preprocessing, size: tuple[int, int], view: Any
) -> None:
    image = np.random.default_rng(7).integers(0, 256, (*size, 3), dtype=np.uint8)
    said = describe_preprocessing(preprocessing, any_size=False)
    exact = replace(preprocessing, resample="pil")
    assert view in said["views"]
    (expected,) = prepare_pixels([image], [plan_frame(*size, exact, view)])
    found = from_description(image[..., ::-1], said, view)
    np.testing.assert_array_equal(found, expected[..., ::-1])


def test_a_picture_is_shown_whole_only_where_the_graph_takes_any_size() -> None:
    assert "full" not in describe_preprocessing(Preprocessing(), any_size=False)["views"]
    assert "full" in describe_preprocessing(Preprocessing(), any_size=True)["views"]
