"""What a presenter's audience reads: how large it is drawn, where it stands, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.errors import SinkError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.session.background import BackgroundTasks
from live_gradcam.session.fit_to_window import SMALLEST_SIDE, on_stage, stage_size
from live_gradcam.session.renderer import (
    Figures,
    Renderer,
    capture_words,
    empty_picture,
    make_hud,
    truth_lines,
)
from live_gradcam.session.state import SessionState
from live_gradcam.session.worker import ExplainedFrame, Order, Reading
from live_gradcam.show.overlay import Hud, OverlayOptions
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, Frame, Prediction, Region, SourceInfo
from tests.helpers.live import tiny_classifier

STATE = SessionState(overlay=OverlayOptions())


@pytest.fixture(scope="module")
def explainer() -> Iterator[Explainer]:
    with Explainer(tiny_classifier(), compile="off", precision="fp32") as made:
        yield made


@pytest.fixture
def order(explainer: Explainer) -> Order:
    return Order(explainer=explainer, trained=explainer, layer="d")


def finding(order: Order, width: int, height: int) -> ExplainedFrame:
    """A frame of a size, explained: a different number in each cell of two maps."""
    side = min(width, height)
    said = Explanation(
        (Prediction(0, "mug", 2.0, 0.7), Prediction(1, "teapot", 1.0, 0.2)),
        (0, 1),
        np.arange(98, dtype=np.float32).reshape(2, 7, 7) - 40,
        Region((width - side) // 2, (height - side) // 2, side, side),
        labels=("mug", "teapot"),
    )
    image = np.full((height, width, 3), 120, np.uint8)
    return ExplainedFrame(Frame(image, 0, 0.0), said, said, said, order, is_new=True)


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
    assert stage_size(frame, window) == size


@pytest.mark.parametrize("size", [(480, 360), (1280, 720), (333, 777)])
def test_a_spot_says_the_same_on_a_stage_of_any_size(order: Order, size: tuple[int, int]) -> None:
    found = finding(order, 640, 480)
    staged = on_stage(found, size)
    assert staged.frame.image.shape == (size[1], size[0], 3)
    assert found.frame.image.shape == (480, 640, 3)
    for row in range(7):
        for column in range(7):
            x = round((80 + (column + 0.5) * 480 / 7) * size[0] / 640)
            y = round((row + 0.5) * size[1] / 7)
            spot = spot_at(staged.raw, x, y)
            assert spot is not None
            assert (spot.row, spot.column) == (row, column)
            assert spot.votes_for + spot.votes_against
            for vote in spot.votes_for + spot.votes_against:
                assert vote.logits == found.raw.evidence[vote.class_index, row, column]
    assert on_stage(found, (640, 480)) is found


def test_the_votes_are_drawn_where_the_mouse_points_to_whatever_the_size(order: Order) -> None:
    bare = replace(STATE, overlay=OverlayOptions(show_labels=False, show_legend=False))
    found = finding(order, 1920, 1080)
    presenter = Renderer(smooth=False)
    pointer = (950, 530)
    for window, size in ((None, (1920, 1080)), ((640, 480), (640, 360))):
        drawn = presenter.paint(found, bare, Hud(), pointer, window)
        plain = presenter.paint(found, bare, Hud(), None, window)
        assert drawn.shape[1::-1] == size
        rows, columns = np.nonzero((drawn != plain).any(axis=2))
        # The cell in the middle is outlined; its upper left corner comes first.
        cell = size[1] / 7
        assert rows.min() == pytest.approx(3 * cell, abs=6)
        assert columns.min() == pytest.approx(size[0] / 2 - cell / 2, abs=6)


@pytest.mark.parametrize(
    ("frame", "window"), [((160, 120), (480, 360)), ((3840, 2160), (960, 540))]
)
def test_type_has_the_same_share_of_the_window_for_small_and_large_frames(
    order: Order, frame: tuple[int, int], window: tuple[int, int]
) -> None:
    def written(size: tuple[int, int]) -> float:
        found = finding(order, *size)
        with_labels, without = (
            Renderer(smooth=False).paint(
                found,
                replace(STATE, overlay=OverlayOptions(show_labels=labels, show_legend=False)),
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
    assert empty_picture((160, 120), banner, (1280, 800)).shape == (360, 480, 3)
    assert empty_picture((160, 120), banner).shape == (120, 160, 3)


def test_what_lasts_stays_on_the_screen_after_its_message_is_gone(order: Order) -> None:
    def status(**changes: object) -> tuple[str, ...]:
        return make_hud(replace(STATE, **changes), order, Figures()).status

    assert status() == ()
    assert status(frozen=True) == ("frozen",)
    assert status(held=1, frozen=True) == ("frozen", "held")
    scrambled = make_hud(replace(STATE, scrambled=True), order, Figures())
    assert scrambled.notes[0] == "random weights"
    slow = make_hud(STATE, replace(order, method="scorecam"), Figures(forwards=(16, 64)))
    assert slow.notes == ("scorecam: 16 of 64 forwards",)


def test_a_camera_says_what_it_granted() -> None:
    camera = SourceInfo("camera 0", "camera", live=True, width=1280, height=720, fps=29.97)
    assert capture_words(camera) == "1280x720 at 30 FPS"
    assert capture_words(replace(camera, fps=None)) == "1280x720"
    assert capture_words(replace(camera, kind="video", live=False)) == ""
    assert capture_words(None) == ""


def test_the_truth_meter_shows_both_drops_and_the_residual() -> None:
    removal = Removal(3, "mug", 0.93, 0.12, 0.95, completeness_residual=4e-7)
    assert truth_lines(Reading(7, (3,), removal), scrambled=False) == (
        "mug 93 %",
        "hottest 20 % blurred: 12 %, drop 81 %",
        "random 20 % blurred: 95 %, rise 2 %",
        "sums to the logit, ± 4e-07",
    )
    dear = replace(removal, completeness_residual=None, without_random=0.93)
    lines = truth_lines(Reading(7, (3,), dear, correlation=-0.04), scrambled=True)
    assert lines[2:] == (
        "random 20 % blurred: 93 %, drop 0 %",
        "correlation with the true map -0.04",
    )


def test_on_the_screen_a_file_has_its_name_and_in_the_terminal_its_path(
    tmp_path: Path, order: Order
) -> None:
    told: list[str] = []
    backstage = BackgroundTasks(tmp_path, None, told.append)
    found = finding(order, 160, 120)
    backstage.snapshot(found, found.frame.image, {})
    words = ""
    while not words:
        words = backstage.news()
    backstage.close()
    (path,) = tmp_path.glob("*.png")
    assert words == f"saved {path.name}"
    assert told == [f"saved {path}"]


def test_a_folder_that_cannot_be_written_to_is_said_on_the_screen(
    tmp_path: Path, order: Order
) -> None:
    backstage = BackgroundTasks(tmp_path / "absent", None, lambda _: None)
    with pytest.raises(SinkError, match="the folder does not exist"):
        backstage.begin_recording(SourceInfo("s", "scene", live=False, width=64, height=48))
    backstage.close()
