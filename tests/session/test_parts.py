"""Parts of the frames of a session: explained alone, each steady by itself, and tested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.explain.explainer import Explainer
from live_gradcam.images.parts import Roi
from live_gradcam.pipeline import RunOptions
from live_gradcam.session import run_session
from live_gradcam.session.controller import Controller
from live_gradcam.session.explainers import RequestedExplainers
from live_gradcam.session.feeds import make_feed
from live_gradcam.session.part_chooser import PartChooser
from live_gradcam.session.pools import explainers_beside
from live_gradcam.session.renderer import Renderer
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.worker import ExplainWorker
from live_gradcam.show.mouse import Dragged, ScreenPoint
from live_gradcam.show.overlay import Hud, OverlayOptions
from live_gradcam.show.records import RecordSink
from live_gradcam.values import Region
from tests.session.doubles import (
    PATIENCE_SECONDS,
    START,
    make_explained,
    make_request,
    with_settings,
)
from tests.session.test_worker import await_item

PARTS = (Roi.parse("10,20,60,50"), Roi.parse("50%,50%,50%,50%"))
OUTSIDE = Roi.parse("500,0,10,10")


@pytest.fixture
def worker(explainer: Explainer) -> Iterator[ExplainWorker]:
    source = SceneSource(seed=2, width=160, height=120, fps=200)
    feed = make_feed(source)
    made = ExplainWorker(feed, make_request(explainer), smooth=True, between=lambda: None)
    yield made
    assert made.stop(PATIENCE_SECONDS)
    feed.close()
    source.close()


def asked(request: ExplainRequest, *rois: Roi, **settings: object) -> ExplainRequest:
    return replace(request, settings=replace(request.settings, rois=rois, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("mirror", [False, True])
def test_each_part_is_explained_as_if_it_were_the_frame(
    explainer: Explainer, worker: ExplainWorker, mirror: bool
) -> None:
    worker.request = asked(worker.request, *PARTS, mirror=mirror)
    worker.start()
    found = [await_item(worker, ExplainedFrame) for _ in range(4)][-1]
    assert len(found.written) == 2
    for explanation, roi in zip(found.written, PARTS, strict=True):
        part = roi.on(160, 120)
        alone = explainer.explain(
            found.frame.image[part.y : part.y + part.height, part.x : part.x + part.width].copy(),
            classes=explanation.explained,
        )
        assert explanation.roi == part
        np.testing.assert_allclose(explanation.evidence, alone.evidence, atol=1e-5)
    shown = [found.smoothed, *(each.smoothed for each in found.others)]
    assert [each.roi for each in shown] == [each.roi for each in found.written]


def test_a_frozen_frame_is_explained_again_where_its_part_changes(worker: ExplainWorker) -> None:
    worker.request = asked(worker.request, frozen=True)
    worker.start()
    whole = await_item(worker, ExplainedFrame)
    assert (whole.raw.roi, whole.others, whole.note) == (None, (), "")
    worker.request = asked(worker.request, PARTS[0])
    part = await_item(worker, ExplainedFrame)
    assert (part.frame.index, part.is_new) == (whole.frame.index, False)
    assert part.raw.roi == part.smoothed.roi == PARTS[0].on(160, 120)
    # A part of another source's frames, which are larger: it is said, and all is explained.
    worker.request = asked(worker.request, OUTSIDE)
    outside = await_item(worker, ExplainedFrame)
    assert outside.raw.roi is None
    assert "160x120" in outside.note


def test_the_truth_meter_tests_the_part(explainer: Explainer, worker: ExplainWorker) -> None:
    worker.request = asked(worker.request, PARTS[1], frozen=True, truth=True)
    worker.start()
    found = await_item(worker, ExplainedFrame)
    reading = await_item(worker, TruthReading)
    before = found.selected.predictions[0].probability
    assert reading.removal is not None
    assert reading.removal.before == pytest.approx(before)


def test_a_session_writes_a_record_for_each_frame_and_part(
    explainer: Explainer, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    with SceneSource(seed=2, width=160, height=120, fps=200, max_frames=3) as source:
        run_session(
            source,
            explainer,
            [RecordSink(path)],
            overlay=OverlayOptions(),
            options=RunOptions(rois=PARTS),
            window_title=None,
        )
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [each["index"] for each in records] == [0, 0, 1, 1, 2, 2]
    assert [each["roi"] for each in records] == [p.on(160, 120).as_list() for p in PARTS] * 3


def test_a_drag_chooses_a_part_once_the_button_is_let_go(explainer: Explainer) -> None:
    explained = make_explained(explainer, 160, 120)
    explainers = RequestedExplainers(explainers_beside(explainer, keep=1, on_forwards=None))
    published: list[tuple[Roi, ...]] = []
    controller = Controller(
        START, explainers, on_state=lambda state: published.append(state.settings.rois)
    )
    chooser = PartChooser(Renderer(smooth=True), controller)

    def drag(
        start: tuple[int, int], end: tuple[int, int], *, released: bool, before: int = 640
    ) -> None:
        began = ScreenPoint(*start, (before, before * 3 // 4))
        chooser.drag(Dragged(began, ScreenPoint(*end, (640, 480)), released), explained)

    drag((100, 80), (300, 240), released=False)
    assert chooser.drawn == Region(100, 80, 201, 161)
    assert not published
    # Whatever the corner it began in; what is beside the picture does not count.
    drag((300, 240), (-50, 80), released=True)
    assert chooser.drawn is None
    ((roi,),) = published
    assert roi.on(160, 120) == Region(0, 20, 76, 41)
    assert "76x41 at 0,20" in controller.state.message
    # A slip chooses nothing.
    drag((300, 240), (302, 400), released=True)
    assert len(published) == 1
    # The window was half as large when the button went down.
    drag((50, 40), (299, 239), released=True, before=320)
    assert published.pop() == (Roi.of(Region(25, 20, 50, 40), 160, 120),)
    assert chooser.explain_whole()
    assert not chooser.explain_whole()
    assert published[-1] == controller.state.settings.rois == ()


def test_the_window_shows_every_part_and_the_rectangle_under_way(
    explainer: Explainer, worker: ExplainWorker
) -> None:
    worker.request = asked(worker.request, *PARTS)
    worker.start()
    found = await_item(worker, ExplainedFrame)
    state = with_settings(START, rois=PARTS)
    renderer = Renderer(smooth=True)
    renderer.update_scale(found, state)
    plain = renderer.render(found, state, Hud(), size=(640, 480))
    chosen = renderer.render(found, state, Hud(), size=(640, 480), chosen=Region(300, 20, 200, 90))
    rows, columns = np.nonzero((plain != chosen).any(axis=2))
    assert rows.min() >= 15
    assert columns.min() >= 295
    assert rows.max() <= 115
    assert columns.max() <= 505
    again = renderer.render(found, state, Hud(), size=(640, 480))
    assert np.array_equal(again, plain)
