"""The thread that explains: newest frames, kept frames, the truth meter, and its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch

from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.pooled import with_linear_head
from live_gradcam.session.feeds import make_feed
from live_gradcam.session.learner import FrameLearner
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.worker import ExplainWorker
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.values import Image
from tests.session.doubles import PATIENCE_SECONDS, FailingSource, make_request

T = TypeVar("T")


@contextlib.contextmanager
def working(
    source: Source,
    request: ExplainRequest,
    between: Callable[[], None] = lambda: None,
) -> Iterator[ExplainWorker]:
    feed = make_feed(source)
    worker = ExplainWorker(feed, request, smooth=True, between=between)
    worker.start()
    try:
        yield worker
    finally:
        assert worker.stop(PATIENCE_SECONDS)
        feed.close()


def await_item(worker: ExplainWorker, kind: type[T]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        item = worker.next_item(0.1)
        if isinstance(item, kind):
            return item
    pytest.fail(f"there was no {kind.__name__}")


def scene(frames: int | None = None) -> Source:
    return SceneSource(seed=2, width=160, height=120, fps=200, max_frames=frames)


def changed(worker: ExplainWorker, **settings: Any) -> ExplainRequest:
    request = worker.request
    return replace(request, settings=replace(request.settings, **settings))


def test_frames_come_in_order_and_the_end_is_said(explainer: Explainer) -> None:
    with scene(3) as source, working(source, make_request(explainer)) as worker:
        found = [await_item(worker, ExplainedFrame) for _ in range(3)]
        assert [each.frame.index for each in found] == [0, 1, 2]
        assert all(each.is_new for each in found)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not worker.finished and time.monotonic() < deadline:
            worker.next_item(0.05)
        assert worker.finished


def test_a_kept_frame_is_explained_again_when_the_question_changes(explainer: Explainer) -> None:
    with scene() as source, working(source, make_request(explainer, frozen=True)) as worker:
        first = await_item(worker, ExplainedFrame)
        assert first.is_new
        worker.request = changed(worker, held=4)
        second = await_item(worker, ExplainedFrame)
        assert (second.frame.index, second.is_new) == (first.frame.index, False)
        assert second.selected.explained == (4,)
        worker.request = changed(worker, steps=1)
        third = await_item(worker, ExplainedFrame)
        assert (third.frame.index, third.is_new) == (first.frame.index + 1, True)


def test_between_frames_there_is_time_for_other_work(explainer: Explainer) -> None:
    calls: list[int] = []
    with (
        scene() as source,
        working(source, make_request(explainer), lambda: calls.append(1)) as worker,
    ):
        for _ in range(3):
            await_item(worker, ExplainedFrame)
    assert calls


def test_the_truth_meter_reads_the_class_that_is_shown(explainer: Explainer) -> None:
    request = make_request(explainer, truth=True, held=4)
    with scene() as source, working(source, request) as worker:
        reading = await_item(worker, TruthReading)
    assert reading.subject == (4,)
    assert reading.correlation is None


def test_random_weights_are_compared_with_the_trained_ones(explainer: Explainer) -> None:
    request = make_request(explainer, randomized=True)
    with scene() as source, working(source, request) as worker:
        reading = await_item(worker, TruthReading)
    # The request says so; the explainer has the trained weights all the same.
    # Two cells that are equal to the last digits may change places.
    assert reading.correlation == pytest.approx(1.0, abs=1e-3)


def test_a_failure_in_the_thread_is_raised_where_items_are_asked_for(
    explainer: Explainer, image: Image
) -> None:
    with working(FailingSource(image, 1), make_request(explainer)) as worker:
        await_item(worker, ExplainedFrame)
        with pytest.raises(SourceError, match="it is broken"):
            await_item(worker, ExplainedFrame)


def with_classes(explainer: Explainer, count: int) -> Explainer:
    """The same network with a head of so many classes."""
    head = torch.Generator().manual_seed(count)
    features = explainer.classifier.head
    assert isinstance(features, LinearHead)
    width = features.weight.shape[1]
    classifier = with_linear_head(
        explainer.classifier,
        torch.randn(count, width, generator=head),
        torch.randn(count, generator=head),
        tuple(f"class {n}" for n in range(count)),
        origin="a test",
    )
    return Explainer(classifier, compile="off", precision="fp32")


def test_a_head_with_other_classes_is_asked_for_none_of_the_ones_before(
    explainer: Explainer,
) -> None:
    with (
        with_classes(explainer, 1000) as many,
        with_classes(explainer, 3) as three,
        with_classes(explainer, 4) as four,
        scene() as source,
        working(source, make_request(many, held=487, mode="mosaic")) as worker,
    ):
        assert await_item(worker, ExplainedFrame).selected.explained[0] == 487
        worker.request = make_request(many, mode="mosaic")
        while await_item(worker, ExplainedFrame).request is not worker.request:
            pass
        for number, other in enumerate((three, four, three, many), 1):
            worker.request = make_request(other, head=number, mode="mosaic")
            found = await_item(worker, ExplainedFrame)
            while found.request is not worker.request:
                found = await_item(worker, ExplainedFrame)
            labels = other.classifier.labels
            assert all(each.label in labels for each in found.smoothed.predictions)
            assert found.selected.explained[0] == found.smoothed.predictions[0].class_index
            assert len(found.selected.explained) == 3


def test_a_kept_frame_is_explained_once_more_for_each_burst_and_its_features_are_kept(
    explainer: Explainer,
) -> None:
    with (
        FeatureExtractor.like(explainer) as extractor,
        scene() as source,
        working(source, make_request(explainer, frozen=True)) as worker,
    ):
        assert await_item(worker, ExplainedFrame).features is None
        learner = FrameLearner(extractor, explainer)
        for burst in (1, 2):
            worker.request = replace(worker.request, learner=learner, burst=burst)
            found = await_item(worker, ExplainedFrame)
            assert (found.is_new, found.request.burst) == (False, burst)
            assert found.features is not None
            # The map is that of the explainer itself, though the features made it.
            (own,) = explainer.explain_batch([found.frame.image], classes=found.raw.explained)
            assert found.raw.evidence == pytest.approx(own.evidence, rel=1e-3, abs=1e-4)
