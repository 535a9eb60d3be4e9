"""Settings of the controls: one table, one check, whoever asks."""

from __future__ import annotations

from typing import get_args

import pytest

from live_gradcam.choices import View
from live_gradcam.class_names import find_class
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.methods import QUICK_METHODS
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer
from live_gradcam.web.settings import (
    VIEW_LABELS,
    ViewSettings,
    class_choices,
    explainer_key,
    offered_methods,
    read_settings,
    settings_as_query,
    settings_from_query,
)


def no_explainer(_classifier: Classifier, _method: str) -> BatchExplainer:
    raise AssertionError("a key alone needs no explainer")


@pytest.fixture
def pool(classifier: Classifier) -> ExplainerPool[BatchExplainer]:
    return ExplainerPool[BatchExplainer](classifier, no_explainer, given_method="layercam")


def test_every_view_has_a_name_for_visitors() -> None:
    assert tuple(VIEW_LABELS) == get_args(View)


def test_an_empty_query_is_what_the_controls_show_first() -> None:
    assert settings_from_query({}) == ViewSettings()


def test_settings_survive_the_way_through_an_address() -> None:
    settings = ViewSettings(
        class_name="star",
        view="full",
        layer="layer3",
        method="layercam",
        opacity=0.25,
        colormap="magma",
    )
    assert settings_from_query(settings_as_query(settings)) == settings


@pytest.mark.parametrize("labels", [("crane", "hen", "Crane "), ("0", "1"), ("a cat", "cat")])
def test_every_class_can_be_chosen(labels: tuple[str, ...]) -> None:
    choices = class_choices(labels)
    assert [find_class(labels, name) for _, name in choices] == [*range(len(labels))]
    assert len({title for title, _ in choices}) == len(labels)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"view": "sideways"}, "unknown view: sideways. Choose from crop, stretch, full"),
        ({"view": None}, "unknown view"),
        ({"colormap": "../turbo"}, "unknown colour map"),
        ({"opacity": 1.5}, "unknown opacity"),
        ({"opacity": float("nan")}, "unknown opacity"),
        ({"opacity": True}, "unknown opacity"),
        ({"opacity": "0.5"}, "unknown opacity"),
    ],
    ids=str,
)
def test_what_no_control_offers_is_refused(values: dict[str, object], cause: str) -> None:
    usual: dict[str, object] = {"view": "crop", "opacity": 0.6, "colormap": "inferno"}
    with pytest.raises(UsageError, match=cause):
        read_settings("", layer="", method="", **{**usual, **values})


def test_an_opacity_in_words_is_no_number() -> None:
    with pytest.raises(ValueError, match="much"):
        settings_from_query({"opacity": "much"})


def test_slow_methods_are_offered_only_where_the_page_was_started_with_one(
    classifier: Classifier, pool: ExplainerPool[BatchExplainer]
) -> None:
    assert set(offered_methods(pool)) == set(QUICK_METHODS)
    slow = ExplainerPool[BatchExplainer](classifier, no_explainer, given_method="scorecam")
    assert set(offered_methods(slow)) == {*QUICK_METHODS, "scorecam"}
    assert explainer_key(slow, method="scorecam") == slow.key()


def test_empty_names_are_the_pages_own(pool: ExplainerPool[BatchExplainer]) -> None:
    assert explainer_key(pool) == pool.key() == ("layer4", "layercam", False, 0)
    assert explainer_key(pool, layer="layer3", method="gradcam") == ("layer3", "gradcam", False, 0)


def test_methods_that_the_page_does_not_offer_are_refused(
    pool: ExplainerPool[BatchExplainer],
) -> None:
    with pytest.raises(UsageError, match="no such method here: scorecam: it is too slow"):
        explainer_key(pool, method="scorecam")
    with pytest.raises(UsageError, match="unknown method: camcam"):
        explainer_key(pool, method="camcam")
