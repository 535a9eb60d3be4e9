"""Frames of one source are painted alike, however the evidence moves."""

from __future__ import annotations

import numpy as np

from live_gradcam.painter import Painter
from live_gradcam.show.layout.seats import PATIENCE
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Explanation, Prediction, Region


def explanation(row: int, column: int) -> Explanation:
    evidence = np.zeros((1, 7, 7), np.float32)
    evidence[0, row, column] = 3.0
    return Explanation(
        (Prediction(0, "mug", 2.0, 0.7),), (0,), evidence, Region(0, 0, 480, 480), labels=("mug",)
    )


def labels_stand_left(painter: Painter, row: int, column: int) -> bool:
    """Whether the labels are in the upper left corner of a grey image."""
    image = np.full((480, 480, 3), 120, np.uint8)
    corner = painter.paint(image, explanation(row, column))[20:40, 14:40].astype(int)
    return bool((np.abs(corner - corner[0, 0]).max(axis=2) > 60).any())


def test_labels_make_room_for_an_object_at_once_but_with_patience_in_a_film() -> None:
    options = OverlayOptions(show_legend=False, opacity=0.0)
    for for_files in (False, True):
        film = Painter(options, moving=True, for_files=for_files)
        assert labels_stand_left(film, 5, 5)
        seen = [labels_stand_left(film, 0, 0) for _ in range(PATIENCE + 2)]
        assert seen == [True] * (PATIENCE - 1) + [False] * 3
        pictures = Painter(options, moving=False, for_files=for_files)
        assert labels_stand_left(pictures, 5, 5)
        assert not labels_stand_left(pictures, 0, 0)
