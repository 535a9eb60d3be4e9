"""Explainers that one thread asks for and another one makes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from live_gradcam.errors import UsageError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.pool import pool_beside
from live_gradcam.protocol import ExplainerKey
from live_gradcam.session.explainers import RequestedExplainers
from live_gradcam.session.request import wanted_classes
from live_gradcam.values import Image
from tests.helpers.live import tiny_classifier
from tests.session.doubles import make_request


@pytest.fixture
def requested(explainer: Explainer) -> Iterator[RequestedExplainers]:
    with pool_beside(explainer) as pool:
        yield RequestedExplainers(pool)


def made(requested: RequestedExplainers, key: ExplainerKey) -> Explainer:
    requested.find(key)
    requested.make_wanted()
    found = requested.find(key)
    assert isinstance(found, Explainer)
    return found


def test_other_methods_are_made_and_reach_the_same_scores(
    requested: RequestedExplainers, explainer: Explainer, image: Image
) -> None:
    assert requested.find(ExplainerKey("d", "gradcam")) is explainer
    assert requested.find(ExplainerKey("d", "layercam")) is None
    other = made(requested, ExplainerKey("d", "layercam"))
    theirs, ours = explainer.explain(image), other.explain(image)
    assert (other.method, ours.method) == ("layercam", "layercam")
    assert ours.predictions[0].class_index == theirs.predictions[0].class_index
    assert not np.array_equal(ours.evidence, theirs.evidence)


def test_the_layers_are_listed_and_each_reaches_the_same_scores(
    requested: RequestedExplainers, explainer: Explainer, image: Image
) -> None:
    assert requested.layer_names() == ()
    requested.make_wanted()
    assert requested.layer_names() == ("a", "b", "c", "d")
    logits = [p.logit for p in explainer.explain(image).predictions]
    for name in requested.layer_names():
        other = made(requested, ExplainerKey(name, "gradcam"))
        assert [p.logit for p in other.explain(image).predictions] == pytest.approx(
            logits, abs=1e-4
        )


def test_random_weights_give_other_scores(
    requested: RequestedExplainers, explainer: Explainer, image: Image
) -> None:
    other = made(requested, ExplainerKey("d", "gradcam", randomized=True))
    ours, theirs = other.explain(image), explainer.explain(image)
    assert ours.predictions[0].logit != pytest.approx(theirs.predictions[0].logit, abs=1e-3)


def test_a_slow_method_is_tested_with_a_quick_one_of_the_same_network(
    requested: RequestedExplainers, explainer: Explainer, image: Image
) -> None:
    quick, slow = ExplainerKey("d", "layercam"), ExplainerKey("c", "scorecam")
    made(requested, quick)
    assert requested.find_predictor(quick) is requested.find(quick)
    assert requested.find_predictor(slow) is None
    requested.make_wanted()
    predictor = requested.find_predictor(slow)
    assert predictor is requested.find(slow._replace(method="gradcam"))
    assert predictor is not None
    (theirs,) = predictor.explain_batch([image])
    ours = explainer.explain(image)
    assert [each.logit for each in theirs.predictions] == pytest.approx(
        [each.logit for each in ours.predictions], abs=1e-4
    )


def test_what_cannot_be_made_is_said_once_and_tried_again(requested: RequestedExplainers) -> None:
    absent = ExplainerKey("absent", "gradcam")
    for _ in range(2):
        assert requested.find(absent) is None
        requested.make_wanted()
        with pytest.raises(UsageError, match="unknown layer"):
            requested.find(absent)


def test_dear_maps_are_made_only_where_they_are_shown(
    requested: RequestedExplainers, explainer: Explainer
) -> None:
    dear = made(requested, ExplainerKey("b", "gradcam"))
    assert not dear.classifier.all_maps_are_cheap
    assert wanted_classes(make_request(dear, held=5, pointing=True), None, (5, 6, 7)) == [5]
    assert wanted_classes(make_request(dear, pointing=True), 5, (5, 6, 7)) == [5]
    assert wanted_classes(make_request(dear), None, (5, 6, 7)) is None
    assert wanted_classes(make_request(dear, mode="contrast"), 5, (5, 6, 7)) == [5, 6]
    assert wanted_classes(make_request(explainer, pointing=True), 5, (5, 6, 7)) == "all"


def test_explainers_that_are_made_hand_on_the_progress_of_a_slow_method(image: Image) -> None:
    steps: list[tuple[int, int]] = []
    with (
        Explainer(tiny_classifier(), compile="off", method="scorecam") as slow,
        pool_beside(slow, on_forwards=lambda done, total: steps.append((done, total))) as pool,
    ):
        made(RequestedExplainers(pool), ExplainerKey("a", "scorecam")).explain(image)
    assert steps == [(16, 16)]
