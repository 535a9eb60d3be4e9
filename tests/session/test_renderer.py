"""The screen: the size of rendered frames, what is written beside them, the scale of heat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import (
    removal_figures,
    removal_sentence,
    scramble_sentence,
)
from live_gradcam.session.renderer import (
    Figures,
    Renderer,
    describe_capture,
    make_hud,
    record_extra,
    render_empty,
    truth_figures,
    truth_sentence,
)
from live_gradcam.session.request import ExplainedFrame, TruthReading
from live_gradcam.show.layout.seats import PATIENCE
from live_gradcam.show.overlay import Hud, MarkedArea, OverlayOptions
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Frame, Image, SourceInfo
from tests.session.doubles import START, make_explained, make_request, with_settings

BARE = replace(START, overlay=OverlayOptions(show_labels=False, show_legend=False))


@pytest.mark.parametrize("size", [None, (640, 480), (1280, 400), (2560, 1440)])
def test_the_votes_are_drawn_where_the_mouse_points_to_whatever_the_size(
    explainer: Explainer, size: tuple[int, int] | None
) -> None:
    explained = make_explained(explainer, 1920, 1080)
    renderer = Renderer(smooth=False)
    rendered = renderer.render(explained, BARE, Hud(), (950, 530), size)
    plain = renderer.render(explained, BARE, Hud(), None, size)
    width, height = size or (1920, 1080)
    assert rendered.shape == (height, width, 3)
    # The cell in the middle is outlined, whose side is a seventh of the frame's height.
    cell = min(height, width * 9 / 16) / 7
    changed = (rendered != plain).any(axis=2)
    line = changed[round(height / 2), : round(width / 2 + cell / 2 + cell / 4)]
    columns = np.nonzero(line)[0]
    assert columns.min() == pytest.approx(width / 2 - cell / 2, abs=0.05 * cell + 4)
    assert columns.max() == pytest.approx(width / 2 + cell / 2, abs=0.05 * cell + 4)


@pytest.mark.parametrize("size", [(640, 360), (1280, 800), (300, 700)])
def test_the_mouse_finds_its_pixel_of_the_frame_on_any_window(
    explainer: Explainer, size: tuple[int, int]
) -> None:
    explained = make_explained(explainer, 640, 480)
    renderer = Renderer(smooth=False)
    zoom = min(size[0] / 640, size[1] / 480)
    for x, y in ((320, 240), (100, 50), (630, 470)):
        column = round((size[0] - 640 * zoom) / 2 + x * zoom)
        row = round((size[1] - 480 * zoom) / 2 + y * zoom)
        found = renderer.find_pixel(column, row, explained, BARE, size)
        assert found == pytest.approx((x, y), abs=1 / zoom + 1)
    beside = (size[0] // 2, 1) if size == (300, 700) else (1, size[1] // 2)
    assert renderer.find_pixel(*beside, explained, BARE, size) is None


def test_what_is_rendered_is_as_large_as_the_window_whatever_the_frame(
    explainer: Explainer,
) -> None:
    for frame in ((160, 120), (3840, 2160)):
        explained = make_explained(explainer, *frame)
        for window in ((1280, 800), (320, 240)):
            rendered = Renderer(smooth=False).render(explained, START, Hud(), None, window)
            assert rendered.shape == (window[1], window[0], 3)


def test_rendering_a_frame_again_gives_the_same_picture(explainer: Explainer) -> None:
    explained = make_explained(explainer, 320, 240)
    renderer = Renderer(smooth=True)
    renderer.update_scale(explained, START)
    first, *others = (
        renderer.render(explained, START, Hud(fps=5.0), None, (800, 600)) for _ in range(4)
    )
    for other in others:
        np.testing.assert_array_equal(other, first)
    other = renderer.render(explained, START, Hud(fps=6.0), None, (800, 600))
    assert (other != first).any()


def test_panels_stay_for_some_frames_when_the_object_comes_under_them(
    explainer: Explainer,
) -> None:
    def frame(row: int, column: int) -> ExplainedFrame:
        made = make_explained(explainer, 480, 480)
        evidence = np.zeros((2, 7, 7), np.float32)
        evidence[0, row, column] = 3.0
        return replace(made, smoothed=replace(made.smoothed, evidence=evidence))

    def left_corner(explained: ExplainedFrame, renderer: Renderer) -> bool:
        with_labels, without = (
            renderer.render(explained, replace(START, overlay=overlay), Hud())
            for overlay in (OverlayOptions(show_legend=False), BARE.overlay)
        )
        return bool((with_labels != without)[:20, :60].any())

    renderer = Renderer(smooth=True)
    for _ in range(3):
        renderer.update_scale(frame(5, 5), START)
        assert left_corner(frame(5, 5), renderer)
    seen = []
    for _ in range(2 * PATIENCE):
        renderer.update_scale(frame(0, 0), START)
        seen.append(left_corner(frame(0, 0), renderer))
    assert seen == [True] * (PATIENCE - 1) + [False] * (PATIENCE + 1)


def test_before_the_first_frame_there_is_room_for_type() -> None:
    banner = Hud(banner="camera 0: connection lost, trying again")
    empty = render_empty((480, 360), banner)
    assert empty.shape == (360, 480, 3)
    assert len(np.unique(empty)) > 10


def test_what_lasts_stays_on_the_screen_after_its_message_is_gone(explainer: Explainer) -> None:
    request = make_request(explainer)

    def status(**settings: Any) -> tuple[str, ...]:
        return make_hud(with_settings(START, **settings), request, Figures()).status

    assert status() == ()
    assert status(frozen=True) == ("frozen",)
    assert status(held=1, frozen=True) == ("frozen", "held")
    randomized = make_hud(with_settings(START, randomized=True), request, Figures())
    assert randomized.notes[0] == "random weights"
    slow = make_request(explainer, method="scorecam")
    hud = make_hud(START, slow, Figures(forwards=(16, 64)))
    assert hud.notes == ("scorecam: 16 of 64 forwards",)


def test_a_camera_says_what_it_granted() -> None:
    camera = SourceInfo("camera 0", "camera", live=True, width=1280, height=720, fps=29.97)
    assert describe_capture(camera) == "1280x720 at 30 FPS"
    assert describe_capture(replace(camera, fps=None)) == "1280x720"
    assert describe_capture(replace(camera, kind="video", live=False)) == ""
    assert describe_capture(None) == ""


MUG = Removal(
    3,
    "mug",
    0.93,
    0.12,
    (0.95, 0.91),
    completeness_residual=4e-7,
    named_without_hot=False,
    named_without_controls=2,
)


def test_the_truth_meter_says_what_decides_and_keeps_the_figures_for_experts(
    explainer: Explainer,
) -> None:
    reading, marked = TruthReading(7, (3,), MUG), MarkedArea(np.ones((4, 4), np.bool_))
    request = make_request(explainer, truth=True)
    figures = Figures(reading=reading, marked=marked)
    hud = make_hud(with_settings(START, truth=True), request, figures)
    assert hud.verdict == removal_sentence(MUG)
    assert "no mug any more" in hud.verdict
    assert hud.marked is marked
    assert hud.figures == removal_figures(MUG)
    assert not any(char.isdigit() for char in "".join((hud.verdict, *hud.notes)))
    waiting = make_hud(with_settings(START, truth=True), request, Figures())
    assert waiting.verdict.startswith("Hiding parts of the picture")
    off = make_hud(START, request, figures)
    assert (off.verdict, off.marked, off.figures) == ("", None, ())
    blank = truth_sentence(TruthReading(7, (3,), None), randomized=False)
    assert "nothing to test" in blank


def test_scrambled_weights_are_judged_by_their_map_and_mark_nothing(explainer: Explainer) -> None:
    reading = TruthReading(7, (3,), MUG, correlation=-0.04)
    scrambled = with_settings(START, randomized=True)
    figures = Figures(reading=reading, marked=MarkedArea(np.ones((4, 4), np.bool_)))
    hud = make_hud(scrambled, make_request(explainer, randomized=True), figures)
    assert hud.verdict == scramble_sentence(-0.04)
    assert hud.marked is None
    assert truth_figures(reading, randomized=True)[-1] == "correlation with the true map -0.04"
    before = make_hud(scrambled, make_request(explainer, randomized=True), Figures())
    assert "should fall apart" in before.verdict


def test_records_say_layer_and_weights_and_what_the_truth_meter_read() -> None:
    measured = with_settings(START, truth=True, randomized=True)
    reading = TruthReading(7, (3,), Removal(3, "mug", 0.93, 0.12, (0.95,)))
    assert record_extra(START, START.settings.key, None) == {"layer": "layer4", "scrambled": False}
    extra = record_extra(measured, measured.settings.key, reading)
    assert extra["scrambled"]
    assert extra["truth"]["measured_on"] == 7
    assert extra["truth"]["before"] == 0.93


def test_a_spot_tells_the_numbers_of_the_evidence(explainer: Explainer, image: Image) -> None:
    explanation = explainer.explain(image, classes="all")
    region = explanation.region
    _, rows, columns = explanation.evidence.shape
    for row, column in ((0, 0), (3, 5), (rows - 1, columns - 1)):
        x = region.x + int((column + 0.5) * region.width / columns)
        y = region.y + int((row + 0.5) * region.height / rows)
        spot = spot_at(explanation, x, y, shown=2)
        assert spot is not None
        assert (spot.row, spot.column) == (row, column)
        values = explanation.evidence[:, row, column].tolist()
        ranked = sorted(range(16), key=lambda index: -values[index])
        others = [index for index in ranked if index != 2]
        assert [v.class_index for v in spot.votes_for] == [i for i in others[:3] if values[i] > 0]
        assert [v.class_index for v in spot.votes_against] == [
            i for i in others[::-1][:3] if values[i] < 0
        ]
        assert spot.shown.class_index == 2
        heading, (first, sign), *_ = spot.lines
        assert heading == ("what this spot says, in points of evidence", 0)
        assert first.endswith(f"  {explainer.classifier.labels[2]}")
        assert sign == np.sign(values[2])
        for vote in (spot.shown, *spot.votes_for, *spot.votes_against):
            assert vote.logits == pytest.approx(values[vote.class_index])
            assert vote.label == explainer.classifier.labels[vote.class_index]
    assert spot_at(explanation, region.x - 1, region.y) is None


def test_the_colour_scale_is_steady_unless_that_is_switched_off(
    explainer: Explainer, image: Image
) -> None:
    strong = explainer.explain(image)
    weak = replace(strong, evidence=strong.evidence * np.float32(0.1))
    region = strong.region
    seen = np.s_[
        region.y : region.y + region.height,
        region.x : region.x + region.width,
    ]
    heat = {}
    for smooth in (True, False):
        renderer = Renderer(smooth=smooth)
        for each in (strong, weak):
            frame, request = Frame(image, 0, 0.0), make_request(explainer)
            explained = ExplainedFrame(frame, each, each, each, request, is_new=True)
            renderer.update_scale(explained, BARE)
            rendered = renderer.render(explained, BARE, Hud())
            heat[smooth, each is weak] = np.abs(rendered[seen].astype(int) - image[seen]).sum()
    assert heat[True, True] < 0.6 * heat[True, False]
    assert heat[False, True] == pytest.approx(heat[False, False], rel=0.05)
