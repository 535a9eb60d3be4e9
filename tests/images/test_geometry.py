"""Geometry: images fit into sizes, mirror, and keep their regions."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.images.geometry import (
    letterbox,
    letterbox_region,
    mirror_frame,
    resize,
    scale_region,
)
from live_gradcam.values import Frame, Region


@pytest.mark.parametrize(
    ("own", "wanted", "inner"),
    [
        ((40, 20), (40, 40), (0, 10, 40, 30)),
        ((20, 40), (40, 40), (10, 0, 30, 40)),
        ((10, 10), (40, 20), (10, 0, 30, 20)),
        ((160, 90), (320, 320), (0, 70, 320, 250)),
        ((160, 90), (160, 90), (0, 0, 160, 90)),
    ],
)
def test_a_letterbox_keeps_the_aspect_ratio_between_black_bars(
    own: tuple[int, int], wanted: tuple[int, int], inner: tuple[int, int, int, int]
) -> None:
    white = np.full((own[1], own[0], 3), 255, np.uint8)
    boxed = letterbox(white, *wanted)
    expected = np.zeros((wanted[1], wanted[0], 3), np.uint8)
    left, top, right, bottom = inner
    expected[top:bottom, left:right] = 255
    assert np.array_equal(boxed, expected)
    place = letterbox_region(own, wanted)
    assert (place.x, place.y, place.x + place.width, place.y + place.height) == inner


def test_an_image_of_the_right_size_is_not_copied() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    assert letterbox(image, 30, 20) is image
    assert resize(image, 30, 20) is image


def test_a_mirrored_frame_keeps_everything_but_its_sides() -> None:
    image = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    frame = Frame(image, 7, 0.5, "scene", 1.0)
    mirrored = mirror_frame(frame)
    assert np.array_equal(mirrored.image, image[:, ::-1])
    assert mirrored.image.flags["C_CONTIGUOUS"]
    assert (mirrored.index, mirrored.pts_seconds) == (7, 0.5)
    assert (mirrored.source, mirrored.captured_seconds) == ("scene", 1.0)


def test_regions_that_touched_still_touch() -> None:
    left, right = Region(0, 0, 33, 50), Region(33, 0, 67, 50)
    for factor in (0.1, 0.37, 1.7):
        one, other = scale_region(left, factor, factor), scale_region(right, factor, factor)
        assert one.x + one.width == other.x
    assert scale_region(Region(5, 5, 1, 1), 0.01, 0.01) == Region(0, 0, 1, 1)
