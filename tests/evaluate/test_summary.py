"""Figures and findings, on made-up results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from live_gradcam.evaluate.summary import sanity_findings, summarise
from live_gradcam.evaluate.values import ImageResult, SanityStage
from tests.evaluate.support import make_image_result, make_method_result


@pytest.mark.parametrize(
    ("figures", "sentences"),
    [
        ({}, []),
        (
            {"inside": 0.2},
            [
                "Named right in 100 % of the pictures, but evidence mostly outside of the object: "
                "only 20 % of it lies on the object or beside it, which covers 25 % of the "
                "picture; the network looks at the background."
            ],
        ),
        (
            {"inside": 0.2, "said": 1},
            [
                "Evidence mostly outside of the object: only 20 % of it lies on the object or "
                "beside it, which covers 25 % of the picture; the network looks at the background."
            ],
        ),
        (
            {"hit": False},
            [
                "Named right in 100 % of the pictures, but the hottest point hits the object in "
                "0 % of the pictures, a random point in 30 %."
            ],
        ),
        (
            {"drop": 0.04, "control": 0.05},
            [
                "Removing the hottest fifth does not matter more than removing a fifth elsewhere: "
                "the probability falls by 4 points against 5 points."
            ],
        ),
    ],
)
def test_what_is_suspicious_is_said(figures: dict[str, Any], sentences: list[str]) -> None:
    images = [make_image_result(i, 0, **figures) for i in range(4)]
    (found,) = summarise(images, ["fish", "cat"], ["gradcam"]).classes
    assert list(found.findings) == sentences


def test_methods_that_disagree_are_no_verdict_on_the_network() -> None:
    right, wrong = make_method_result(0, inside=0.9), make_method_result(0, inside=0.2)
    mixed = {"gradcam": right, "layercam": wrong}
    images = [make_image_result(i, 0, methods=mixed) for i in range(3)]
    (found,) = summarise(images, ["fish"], ["gradcam", "layercam"]).classes
    (sentence,) = found.findings
    assert "(layercam)" in sentence
    assert "the network looks at the background" not in sentence
    assert "the methods differ" in sentence
    both = {"gradcam": wrong, "layercam": wrong}
    images = [make_image_result(i, 0, methods=both) for i in range(3)]
    (found,) = summarise(images, ["fish"], ["gradcam", "layercam"]).classes
    assert found.findings[0].endswith("the network looks at the background (gradcam, layercam).")


def test_few_images_are_no_verdict() -> None:
    images = [make_image_result(i, 0, inside=0.1, drop=0.0) for i in range(2)]
    summary = summarise(images, ["fish"], ["gradcam"])
    assert summary.classes[0].findings == ()
    assert "fewer than 3 pictures" in summary.limits[0]


def test_an_object_without_any_evidence_is_a_miss_and_is_counted() -> None:
    images = [make_image_result(i, 0) for i in range(2)]
    images.append(make_image_result(2, 0, inside=None, hit=False))
    summary = summarise(images, ["fish"], ["gradcam"])
    figures = summary.totals.methods["gradcam"]
    assert figures.inside == pytest.approx(0.9)
    assert figures.pointing == pytest.approx(2 / 3)
    assert any("1 of 3 objects have no evidence" in limit for limit in summary.limits)


def test_a_map_of_another_class_counts_for_the_whole_only() -> None:
    other = replace(make_method_result(1), objects=None, deletion=0.5)
    images = [make_image_result(0, 0), make_image_result(1, 0, methods={"gradcam": other})]
    summary = summarise(images, ["fish", "cat"], ["gradcam"])
    assert summary.classes[0].methods["gradcam"].deletion == pytest.approx(0.1)
    assert summary.totals.methods["gradcam"].deletion == pytest.approx(0.3)


def test_a_method_that_ignores_the_weights_is_named() -> None:
    stages = [SanityStage("head", {"a": 0.9, "b": 0.1})]
    (sentence,) = sanity_findings(stages, ["a", "b"])
    assert sentence.startswith("a hardly changes")
    assert sanity_findings([], ["a"]) == ()


def test_the_worst_class_is_the_first_and_the_pointing_game_is_a_mean_of_classes() -> None:
    images = [make_image_result(i, 0, inside=0.95) for i in range(6)]
    images += [make_image_result(6 + i, 1, inside=0.3) for i in range(3)]
    images += [make_image_result(9 + i, 2, inside=0.6, hit=False) for i in range(3)]
    summary = summarise(images, ["good", "bad", "middling"], ["gradcam"])
    assert [each.label for each in summary.classes] == ["bad", "middling", "good"]
    figures = summary.totals.methods["gradcam"]
    assert figures.pointing == pytest.approx(2 / 3)
    assert figures.inside == pytest.approx(8.4 / 12)


def saturated(index: int, **more: Any) -> ImageResult:
    """A picture that the network is sure of, whatever is hidden."""
    image = make_image_result(index, 0, drop=0.001, control=0.002, inside=None)
    sure = replace(image.methods["gradcam"], probability=0.999, objects=None)
    return replace(image, methods={"gradcam": sure}, **more)


def test_what_nothing_changes_is_no_finding_but_a_limit_and_not_the_worst() -> None:
    images = [saturated(i) for i in range(4)]
    images += [make_image_result(4 + i, 1, drop=0.1, control=0.05, inside=None) for i in range(3)]
    images += [make_image_result(7 + i, 2, drop=0.9, control=0.05, inside=None) for i in range(3)]
    summary = summarise(images, ["sure", "weak", "strong"], ["gradcam"])
    assert [each.label for each in summary.classes] == ["weak", "strong", "sure"]
    assert summary.classes[2].findings == ()
    assert "On 4 of 10 pictures the network is so sure" in summary.limits[0]


def test_a_class_without_figures_is_not_the_worst() -> None:
    unknown = replace(make_method_result(9), objects=None)
    images = [make_image_result(0, 0, methods={"gradcam": unknown})]
    images += [make_image_result(1, 1, inside=0.7), make_image_result(2, 2, inside=0.9)]
    labels = ["empty", "bad", "good"]
    summary = summarise(images, labels, ["gradcam"])
    assert [each.label for each in summary.classes] == ["bad", "good", "empty"]


def test_evidence_beside_the_object_is_the_worst_even_where_nothing_changes() -> None:
    beside = make_image_result(0, 0, inside=0.1, drop=0.0, control=0.0)
    sure = replace(beside.methods["gradcam"], probability=1.0)
    images = [replace(beside, index=i, methods={"gradcam": sure}) for i in range(3)]
    images += [make_image_result(3 + i, 1, inside=0.6) for i in range(3)]
    summary = summarise(images, ["cheat", "fair"], ["gradcam"])
    assert [each.label for each in summary.classes] == ["cheat", "fair"]
