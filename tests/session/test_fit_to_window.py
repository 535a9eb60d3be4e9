"""The size in which a frame is rendered for the window, and what its spots say there."""

from __future__ import annotations

import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.session.fit_to_window import SMALLEST_SIDE, fit_frame, fitted_size
from live_gradcam.show.votes import spot_at
from tests.session.doubles import make_explained


@pytest.mark.parametrize(
    ("frame", "window", "size"),
    [
        ((640, 480), (640, 480), (640, 480)),
        ((640, 480), (1920, 1080), (640, 480)),  # the window enlarges it, which costs less
        ((3840, 2160), (1280, 720), (1280, 720)),
        ((3840, 2160), (1920, 900), (1600, 900)),
        ((3840, 2160), (300, 200), (640, SMALLEST_SIDE)),
        ((160, 120), (1280, 800), (480, SMALLEST_SIDE)),
        ((160, 120), (200, 150), (480, SMALLEST_SIDE)),
        ((90, 160), (1280, 800), (SMALLEST_SIDE, 640)),
        ((720, 1280), (1920, 960), (540, 960)),
        ((640, 480), (0, 0), (640, 480)),
    ],
)
def test_no_more_pixels_than_can_be_seen_and_no_fewer_than_type_needs(
    frame: tuple[int, int], window: tuple[int, int], size: tuple[int, int]
) -> None:
    assert fitted_size(frame, window) == size


@pytest.mark.parametrize("size", [(480, 360), (1280, 720), (333, 777)])
def test_a_spot_says_the_same_in_any_size(explainer: Explainer, size: tuple[int, int]) -> None:
    explained = make_explained(explainer, 640, 480)
    fitted = fit_frame(explained, size)
    assert fitted.frame.image.shape == (size[1], size[0], 3)
    assert explained.frame.image.shape == (480, 640, 3)
    for row in range(7):
        for column in range(7):
            x = round((80 + (column + 0.5) * 480 / 7) * size[0] / 640)
            y = round((row + 0.5) * size[1] / 7)
            spot = spot_at(fitted.raw, x, y)
            assert spot is not None
            assert (spot.row, spot.column) == (row, column)
            assert spot.votes_for + spot.votes_against
            for vote in spot.votes_for + spot.votes_against:
                assert vote.logits == explained.raw.evidence[vote.class_index, row, column]
    assert fit_frame(explained, (640, 480)) is explained
