"""Requests: which maps are made for them, and which of those are selected."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import LinearHead
from live_gradcam.session.request import select_maps, wanted_classes
from live_gradcam.values import Image
from tests.session.doubles import make_request


def test_the_contrast_is_the_gradient_of_the_difference(explainer: Explainer, image: Image) -> None:
    request = make_request(explainer, mode="contrast")
    raw = explainer.explain(image, classes=wanted_classes(request, None, ()))
    selected = select_maps(raw, request.settings, raw.predictions, contrasts=True)
    first, second = (p.class_index for p in raw.predictions[:2])
    alone = [explainer.explain(image, classes=each).evidence[0] for each in (first, second)]
    assert selected.explained == (first,)
    assert np.allclose(selected.evidence[0], alone[0] - alone[1], atol=1e-6)
    # Closed form: what is left of the difference of the scores is the difference of the biases.
    head = explainer.classifier.head
    assert isinstance(head, LinearHead)
    gap = raw.predictions[0].logit - raw.predictions[1].logit
    total = selected.evidence.sum() + float(head.bias[first] - head.bias[second])
    assert total == pytest.approx(gap, abs=1e-4)
    names = [prediction.label for prediction in raw.predictions]
    assert selected.labels == (f"{names[0]} rather than {names[1]}",)


def test_a_contrast_of_maps_that_cannot_be_subtracted_is_the_first_map(
    explainer: Explainer, image: Image
) -> None:
    with Explainer(explainer.classifier, compile="off", method="layercam") as other:
        request = make_request(other, mode="contrast")
        raw = other.explain(image, classes="top")
    selected = select_maps(raw, request.settings, raw.predictions, contrasts=True)
    assert selected.explained == raw.explained[:1]
    assert np.array_equal(selected.evidence, raw.evidence[:1])
    assert "rather than" not in selected.labels[0]


def test_the_mosaic_shows_the_held_class_first_and_two_others(
    explainer: Explainer, image: Image
) -> None:
    best = [p.class_index for p in explainer.explain(image).predictions]
    held = next(index for index in range(16) if index not in best)
    request = make_request(explainer, mode="mosaic", held=held)
    raw = explainer.explain(image, classes=wanted_classes(request, best[0], tuple(best)))
    selected = select_maps(raw, request.settings, raw.predictions, contrasts=True)
    assert selected.explained == (held, *best[:2])
    assert next(p for p in raw.predictions if p.class_index == held).strength > 0


def test_a_known_residual_stays_with_the_map_it_belongs_to(
    explainer: Explainer, image: Image
) -> None:
    raw = explainer.explain(image, classes="top")
    for held, residual in ((raw.explained[0], raw.completeness_residual), (raw.explained[1], None)):
        settings = make_request(explainer, held=held).settings
        assert (
            select_maps(raw, settings, raw.predictions, contrasts=True).completeness_residual
            == residual
        )
