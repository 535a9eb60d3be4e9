"""The screen before there is anything to explain."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.show.loading import BACKDROP, draw_loading
from live_gradcam.show.panel import ACCENT


def _moving_columns(phase: float) -> np.ndarray:
    image = draw_loading((640, 480), "loading the network", phase).astype(int)
    return np.nonzero((np.abs(image - ACCENT).max(axis=2) < 12).any(axis=0))[0]


def test_a_part_moves_to_the_right_and_comes_round() -> None:
    centres = [float(_moving_columns(phase).mean()) for phase in (0.2, 0.4, 0.6, 0.8)]
    assert centres == sorted(centres)
    assert centres[-1] - centres[0] > 100
    np.testing.assert_array_equal(_moving_columns(0.3), _moving_columns(7.3))


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (320, 240), (480, 1280), (3840, 2160)])
@pytest.mark.parametrize("text", ["", "loading", "downloading the weights " * 12, "正在加载网络"])
def test_any_words_stand_inside_any_window(size: tuple[int, int], text: str) -> None:
    image = draw_loading(size, text, 0.5)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    if min(size) >= 240:
        drawn = (image != BACKDROP).any(axis=2)
        assert drawn.any()
        assert not drawn[:, :4].any()
        assert not drawn[:, -4:].any()
        assert not drawn[0].any()
        assert not drawn[-1].any()


@pytest.mark.parametrize("size", [(0, 0), (-1, -1), (640, 0)])
def test_a_window_without_a_size_is_given_something_to_show(size: tuple[int, int]) -> None:
    assert min(draw_loading(size, "loading the network", 0.5).shape[:2]) == 1
