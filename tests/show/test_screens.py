"""Every state of the window in every layout, measured: places, sizes of type, contrast."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.choices import HUD_LAYOUTS, HudLayout
from live_gradcam.show.layout.coverage import overlaps
from live_gradcam.show.options import TeachingRow
from live_gradcam.show.overlay import Composition, Hud, compose
from live_gradcam.show.pieces import IMPORTANCE
from live_gradcam.show.scene import Scene
from live_gradcam.show.text import Strip
from live_gradcam.values import Explanation, Image, Prediction, Region
from scripts.screens import State, draw_state, states

SIZES = [(320, 240), (640, 480), (450, 800), (1280, 400), (1920, 1080), (3840, 2160)]
FRAME = (640, 480)


def explanation() -> Explanation:
    evidence = np.zeros((3, 7, 7), np.float32)
    evidence[0, 2:5, 2:5], evidence[1, 0, 0], evidence[2, 6, 6] = 3.0, 2.0, 1.0
    return Explanation(
        tuple(
            Prediction(n, label, 12.5 - n, share)
            for n, (label, share) in enumerate((("mug", 0.93), ("teapot", 0.05), ("vase", 0.01)))
        ),
        (0, 1, 2),
        evidence,
        Region(80, 0, 480, 480),
        labels=("mug", "teapot", "vase"),
    )


STATES = states(explanation())


def drawn(state: State, layout: HudLayout, size: tuple[int, int], level: int) -> Composition:
    """A state on a picture of one grey level."""
    image: Image = np.full((FRAME[1], FRAME[0], 3), level, np.uint8)
    return draw_state(image, explanation(), state, layout, size)


def texts(made: Composition) -> Iterator[tuple[str, Strip, int, int]]:
    """Every piece of type on a canvas: its panel, itself, and where it is."""
    for each in made.placed:
        for strip, left, top in each.panel.parts:
            if strip.text:
                yield each.name, strip, each.place.x + left, each.place.y + top


@pytest.mark.parametrize("name", STATES)
def test_no_panel_overlaps_another_and_everything_is_inside(name: str) -> None:
    for layout, size in product(HUD_LAYOUTS, SIZES):
        made = drawn(STATES[name], layout, size, 120)
        for first, second in combinations(made.placed, 2):
            assert not overlaps(first.place, second.place), (layout, first.name, second.name)
        for each in made.placed:
            place = each.place
            assert min(place.x, place.y) >= 0
            assert place.x + place.width <= size[0], (layout, each.name)
            assert place.y + place.height <= size[1], (layout, each.name)
            for strip, left, top in each.panel.parts:
                assert min(left, top) >= 0
                assert left + strip.width <= place.width, (layout, each.name, strip.text)
                assert top + strip.height <= place.height, (layout, each.name, strip.text)


@pytest.mark.parametrize("size", SIZES)
def test_on_stage_all_type_has_a_28th_of_the_window_s_height(size: tuple[int, int]) -> None:
    names = ("usual", "truth", "pointing", "mosaic-busy", "kiosk", "everything")
    for name in (*names, "teaching", "teaching-nine", "teaching-name"):
        state = STATES[name]
        for piece, strip, _, _ in texts(drawn(state, "stage", size, 120)):
            if piece != "help":
                assert strip.size >= size[1] / 28, (name, piece, strip.text)


def test_on_stage_even_a_capital_is_so_high() -> None:
    for size in ((1280, 800), (1920, 1080), (3840, 2160)):
        for _, strip, _, _ in texts(drawn(STATES["usual"], "stage", size, 120)):
            rows = np.nonzero((strip.keep < 128).any(axis=(1, 2)))[0]
            assert rows.max() - rows.min() + 1 >= size[1] / 28, strip.text


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080)])
@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("layout", HUD_LAYOUTS)
def test_type_has_a_contrast_of_4_5_to_what_is_behind_it(
    layout: HudLayout, level: int, size: tuple[int, int]
) -> None:
    names = ("usual", "truth", "help-banner", "mosaic", "everything", "kiosk", "chinese")
    for name in (*names, "teaching", "teaching-nine", "teaching-name"):
        made = drawn(STATES[name], layout, size, level)
        for piece, strip, x, y in texts(made):
            below = made.image[y : y + strip.height, x : x + strip.width]
            core, ground = (strip.keep == 0).all(axis=2), (strip.keep == 255).all(axis=2)
            if core.sum() < 5:  # thin type has no pixel of its own colour alone
                continue
            letters = luminance(below[core])
            behind = luminance(below[ground])
            dark_type = letters.mean() < behind.mean()
            worst = np.percentile(behind, 2 if dark_type else 98)
            light, dark = max(letters.mean(), worst), min(letters.mean(), worst)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, piece, strip.text)


def luminance(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Relative luminance of BGR pixels, as WCAG 2 defines it."""
    share = pixels.astype(np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.0722, 0.7152, 0.2126])


def test_contrast_is_measured_as_published() -> None:
    white, grey = luminance(np.array([[255, 255, 255], [118, 118, 118]], np.uint8))
    assert white == pytest.approx(1.0)
    assert 1.05 / (grey + 0.05) == pytest.approx(4.54, abs=0.02)


@pytest.mark.parametrize("layout", HUD_LAYOUTS)
def test_what_matters_most_is_there_in_the_smallest_window(layout: HudLayout) -> None:
    everything = STATES["everything"]
    for size in ((320, 240), (640, 480), (3840, 2160)):
        made = drawn(everything, layout, size, 120)
        names = [each.name for each in made.placed]
        assert {"banner", "recording"} <= set(names)
        assert not set(names) & set(made.dropped)
        assert set(names) | set(made.dropped) <= set(IMPORTANCE)
        if size == (3840, 2160):
            assert not made.dropped


def test_with_less_room_the_less_important_ones_go_first() -> None:
    state = STATES["everything"]
    ranks = []
    for height in (240, 300, 400, 500, 700):
        made = drawn(state, "normal", (height * 4 // 3, height), 120)
        ranks.append(len(made.dropped))
        assert not {"banner", "recording", "title", "sentence", "labels"} & set(made.dropped)
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > 0 == ranks[-1]


def test_on_stage_there_is_one_sentence_and_the_rate() -> None:
    made = drawn(STATES["usual"], "stage", (1280, 800), 120)
    assert [each.name for each in made.placed] == ["sentence", "rates"]
    assert [strip.text for _, strip, _, _ in texts(made)] == [
        "The network sees mug and is 93 % sure.",
        "14.9 FPS",
    ]


@pytest.mark.parametrize("layout", HUD_LAYOUTS)
def test_the_classes_that_are_taught_are_there_at_every_size(layout: HudLayout) -> None:
    for size in SIZES:
        for name in ("teaching", "teaching-nine", "teaching-begins", "teaching-name"):
            made = drawn(STATES[name], layout, size, 120)
            (panel,) = (each.panel for each in made.placed if each.name == "teaching")
            row = STATES[name].hud.teaching
            assert row is not None
            shown = [strip.text for strip, _, _ in panel.parts]
            held = [cell.key for cell in row.cells if cell.held]
            assert set(held) <= set(shown), (size, name)
            # A number that is cut off would be another one.
            counts = {str(cell.count) for cell in row.cells} | {cell.key for cell in row.cells}
            assert {text for text in shown if text.rstrip("…").isdecimal()} <= counts
            if size == (1920, 1080) and layout != "stage":
                assert all(cell.key in shown for cell in row.cells)
                assert all(str(cell.count) in shown for cell in row.cells)
                names = [cell.label for cell in row.cells if len(cell.label) < 8]
                assert set(names) <= set(shown)
                pictures = [strip for strip, _, _ in panel.parts if not strip.keep.any()]
                assert len(pictures) >= 2 * len(row.cells)
            if row.prompt and size[0] >= 640:
                assert any(row.typed in text for text in shown), (size, name)


def test_the_end_of_a_long_name_is_seen_while_it_is_typed() -> None:
    name = "the red mug with the broken handle from grandma"
    typing = TeachingRow(prompt="name of class 2", typed=name)
    state = State(hud=Hud(teaching=typing))
    for layout in HUD_LAYOUTS:
        made = drawn(state, layout, (450, 800), 120)
        (panel,) = (each.panel for each in made.placed if each.name == "teaching")
        words = " ".join(strip.text for strip, _, _ in panel.parts if strip.text)
        prompt, _, end = words.partition("…")
        assert prompt == "name of class 2: "
        assert end.endswith("_")
        assert name.endswith(end.removesuffix("_"))


def test_the_help_stands_alone_but_for_what_must_be_seen() -> None:
    for layout in HUD_LAYOUTS:
        made = drawn(STATES["help-banner"], layout, (1280, 800), 120)
        assert {each.name for each in made.placed} == {"help", "banner", "recording"}


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (1366, 768), (3840, 2160)])
def test_the_help_has_every_key_in_the_largest_type_that_fits(width: int, height: int) -> None:
    made = drawn(STATES["help"], "normal", (width, height), 120)
    (panel,) = (each.panel for each in made.placed if each.name == "help")
    keys = [key for group in STATES["help"].hud.help for key, _ in group.rows]
    shown = [strip.text for strip, _, _ in panel.parts]
    assert all(key in shown for key in keys)
    sizes = {strip.size for strip, _, _ in panel.parts if strip.text}
    assert len(sizes) == 1
    assert sizes.pop() >= max(9, height / 40)


def test_panels_stand_in_the_bars_that_the_picture_leaves() -> None:
    made = drawn(STATES["usual"], "normal", (1920, 800), 120)
    (picture,) = made.pictures
    assert {each.name for each in made.placed} == {"labels", "legend", "rates"}
    for each in made.placed:
        assert not overlaps(each.place, picture.place), each.name


def test_scenes_are_written_on_and_nothing_else_of_them_changes() -> None:
    state = STATES["usual"]
    made = drawn(state, "normal", (640, 480), 120)
    blank = np.zeros((480, 640, 3), np.uint8)
    for each in made.placed:
        place = each.place
        blank[place.y : place.y + place.height, place.x : place.x + place.width] = 1
    shown = explanation().with_classes([0])
    scene = Scene(np.full((480, 640, 3), 7, np.uint8), made.pictures)
    compose(scene, shown, options=state.options, hud=state.hud)
    assert np.all(scene.image[blank == 0] == 7)
