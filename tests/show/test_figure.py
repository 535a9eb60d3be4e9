"""Images for files: what is written never hides a small picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from live_gradcam.choices import HudLayout
from live_gradcam.painter import Painter
from live_gradcam.show.figure import FigureDrawer
from live_gradcam.show.overlay import Hud, OverlayOptions, draw, paint
from live_gradcam.values import Explanation, Image, Region

CLEAN = OverlayOptions(show_labels=False, show_legend=False, show_hud=False)


@pytest.mark.parametrize("size", [(160, 120), (120, 160), (64, 64), (198, 400)])
@pytest.mark.parametrize("layout", ["normal", "stage", "expert"])
def test_a_small_picture_stands_whole_and_unscaled_beside_what_is_written(
    make_explanation: Callable[..., Explanation],
    noise_image: Callable[..., Image],
    size: tuple[int, int],
    layout: HudLayout,
) -> None:
    width, height = size
    image = noise_image(width, height)
    explanation = make_explanation(region=Region(0, 0, width, height))
    options = OverlayOptions(hud_layout=layout)
    heat = draw(image, explanation, options=CLEAN)
    drawn = Painter(options, moving=False, for_files=True).paint(image, explanation)
    assert drawn.shape[0] >= height
    assert drawn.shape[1] >= width
    assert drawn.shape[0] * drawn.shape[1] > width * height
    assert drawn.shape[0] % 2 == drawn.shape[1] % 2 == 0
    places = [
        (y, x)
        for y in range(drawn.shape[0] - height + 1)
        for x in range(drawn.shape[1] - width + 1)
        if np.array_equal(drawn[y : y + 4, x : x + width], heat[:4])
    ]
    assert places
    y, x = places[0]
    np.testing.assert_array_equal(drawn[y : y + height, x : x + width], heat)
    beside = drawn.copy()
    beside[y : y + height, x : x + width] = 0
    assert beside.max() > 200, "there is something written"


def test_all_frames_of_a_film_have_one_size(
    make_explanation: Callable[..., Explanation], noise_image: Callable[..., Image]
) -> None:
    region = Region(0, 0, 160, 120)
    first = make_explanation(region=region)
    other = make_explanation(
        region=region, labels=("a very long label, longer than that", "b", "c")
    )
    below = dataclasses.replace(first, explained=(2,), labels=("vase",))
    painter = Painter(OverlayOptions(top_k=2), moving=True, for_files=True)
    image = noise_image(160, 120)
    shapes = {
        painter.paint(image, each, Hud(fps=fps)).shape
        for each, fps in ((first, None), (other, 24.0), (below, 101.0))
    }
    assert len(shapes) == 1


@pytest.mark.parametrize("size", [(640, 480), (320, 240)])
def test_a_picture_with_room_keeps_its_size(
    make_explanation: Callable[..., Explanation],
    noise_image: Callable[..., Image],
    size: tuple[int, int],
) -> None:
    image = noise_image(*size)
    explanation = make_explanation(region=Region(0, 0, *size))
    painter = Painter(OverlayOptions(), moving=False, for_files=True)
    assert painter.paint(image, explanation).shape == image.shape


def test_a_clean_picture_has_nothing_but_heat(
    make_explanation: Callable[..., Explanation], noise_image: Callable[..., Image]
) -> None:
    """Not even that the network is unsure, or that there is no evidence."""
    image = noise_image(160, 120)
    region = Region(0, 0, 160, 120)
    blank = make_explanation(
        evidence=np.zeros((1, 7, 7), np.float32), region=region, probabilities=(0.1, 0.05, 0.04)
    )
    painter = Painter(CLEAN, moving=False, for_files=True)
    np.testing.assert_array_equal(painter.paint(image, blank), image)
    warm = make_explanation(region=region)
    drawn = painter.paint(image, warm)
    assert drawn.shape == image.shape
    changed = (drawn != image).any(axis=2)
    assert 0.02 < changed.mean() < 0.5


def test_each_picture_is_painted_once_whatever_its_size(
    make_explanation: Callable[..., Explanation],
    noise_image: Callable[..., Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painted: list[Image] = []

    def count(image: Image, *rest: Any, **options: Any) -> Any:
        painted.append(image)
        return paint(image, *rest, **options)

    monkeypatch.setattr("live_gradcam.show.figure.paint", count)
    drawer = FigureDrawer()
    sizes = [(64, 48), (640, 480), (160, 120)]
    for width, height in sizes:
        shown = make_explanation(region=Region(0, 0, width, height))
        drawer.draw(noise_image(width, height), shown, OverlayOptions(), None)
    assert len(painted) == len(sizes)
