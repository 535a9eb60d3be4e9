"""Heat is enlarged to the pixel and has a colour for every name."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.choices import DEFAULT_COLORMAP
from live_gradcam.native import cv2
from live_gradcam.show.heat import heat_table, normalise, upsample
from scripts.colormaps import VISIONS, seen_as


def test_upsampling_agrees_with_smooth_interpolation_of_the_whole_map() -> None:
    heat = normalise(np.random.default_rng(3).normal(size=(7, 7)).astype(np.float32), 2.0)
    direct = np.clip(cv2.resize(heat, (280, 200), interpolation=cv2.INTER_CUBIC), 0, 1) * 255
    assert np.abs(upsample(heat, 280, 200).astype(float) - direct).max() < 12
    assert np.abs(upsample(heat, 280, 200).astype(float) - direct).mean() < 1.5


@pytest.mark.parametrize("vision", VISIONS)
def test_the_usual_colours_get_lighter_with_the_heat_for_everybody(vision: str) -> None:
    colours = heat_table(DEFAULT_COLORMAP, 1.0, False).colours[:, None]
    seen = seen_as(colours, VISIONS[vision]).astype(np.float32) / 255
    lightness = cv2.cvtColor(seen, cv2.COLOR_BGR2LAB)[:, 0, 0]
    steps = np.diff(lightness[::16])
    assert (steps > 2).all(), "in CIELAB, of 100"


def test_vision_is_simulated_as_published() -> None:
    red, grey = np.array([[[0, 0, 255]]], np.uint8), np.array([[[90, 90, 90]]], np.uint8)
    for name, matrix in VISIONS.items():
        assert np.abs(seen_as(grey, matrix).astype(int) - 90).max() <= 1, "grey stays grey"
        if name == "normal":
            np.testing.assert_array_equal(seen_as(red, matrix), red)
    # Linear (1, 0, 0) becomes the matrix's first column.
    blue, green, seen_red = seen_as(red, VISIONS["deuteranopia"])[0, 0]
    assert (blue, green, seen_red) == (0, 144, 163)
