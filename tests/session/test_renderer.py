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
from live_gradcam.show.overlay import Hud, MarkedArea, OverlayOptions
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Frame, Image, SourceInfo
from tests.session.doubles import START, make_explained, make_request, with_settings

BARE = replace(START, overlay=OverlayOptions(show_labels=False, show_legend=False))


def test_the_votes_are_drawn_where_the_mouse_points_to_whatever_the_size(
    explainer: Explainer,
) -> None:
    explained = make_explained(explainer, 1920, 1080)
    renderer = Renderer(smooth=False)
    pointer = (950, 530)
    for window, size in ((None, (1920, 1080)), ((640, 480), (640, 360))):
        rendered = renderer.render(explained, BARE, Hud(), pointer, window)
        plain = renderer.render(explained, BARE, Hud(), None, window)
        assert rendered.shape[1::-1] == size
        rows, columns = np.nonzero((rendered != plain).any(axis=2))
        # The cell in the middle is outlined; its upper left corner comes first.
        cell = size[1] / 7
        assert rows.min() == pytest.approx(3 * cell, abs=6)
        assert columns.min() == pytest.approx(size[0] / 2 - cell / 2, abs=6)


@pytest.mark.parametrize(
    ("frame", "window"), [((160, 120), (480, 360)), ((3840, 2160), (960, 540))]
)
def test_type_has_the_same_share_of_the_window_for_small_and_large_frames(
    explainer: Explainer, frame: tuple[int, int], window: tuple[int, int]
) -> None:
    def written(size: tuple[int, int]) -> float:
        explained = make_explained(explainer, *size)
        with_labels, without = (
            Renderer(smooth=False).render(
                explained,
                replace(START, overlay=OverlayOptions(show_labels=labels, show_legend=False)),
                Hud(),
                None,
                window,
            )
            for labels in (True, False)
        )
        assert with_labels.shape == (window[1], window[0], 3)
        return float((with_labels != without).any(axis=(1, 2)).mean())

    assert written(frame) == pytest.approx(written(window), abs=0.01)
    assert 0.1 < written(frame) < 0.3


def test_before_the_first_frame_of_a_small_source_there_is_room_for_type() -> None:
    banner = Hud(banner="camera 0: connection lost, trying again")
    assert render_empty((160, 120), banner, (1280, 800)).shape == (360, 480, 3)
    assert render_empty((160, 120), banner).shape == (120, 160, 3)


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
