"""Doubts about networks: seen where there is a cause, and not seen where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.doubts import find_doubts, first_norm_evidence
from live_gradcam.explain.load import load_classifier
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.scenes import render_scene
from tests.explain import support

PICTURES = [render_scene(seed).image for seed in range(3)]
LABELS = ["a", "b", "c", "d", "e"]


def tiny(module: nn.Module | None = None, **options: object) -> Classifier:
    network = support.randomised(support.TinyNet()) if module is None else module
    chosen: dict[str, object] = {
        "labels": LABELS,
        "preprocessing": Preprocessing(72, 64),
        **options,
    }
    return Classifier.from_module(network, layer="last", **chosen)  # type: ignore[arg-type]


def test_a_trained_network_leaves_no_doubt() -> None:
    assert find_doubts(load_classifier("scenes"), PICTURES) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"value_range": (0.0, 255.0), "mean": (0.0,), "std": (1.0,)},
        {"mean": (0.0,), "std": (1.0,)},
        {"value_range": (0.0, 255.0), "mean": (123.7, 116.3, 103.5), "std": (0.3, 0.3, 0.3)},
    ],
)
def test_another_range_than_in_training_is_seen_and_mended(changes: dict[str, object]) -> None:
    classifier = load_classifier("scenes")
    usual = first_norm_evidence(classifier, PICTURES)
    assert usual is not None
    assert usual.distance < 1
    wrong = replace(
        classifier,
        preprocessing=replace(classifier.preprocessing, **changes),  # type: ignore[arg-type]
    )
    evidence = first_norm_evidence(wrong, PICTURES)
    assert evidence is not None
    assert evidence.better == "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
    assert evidence.better_distance == pytest.approx(usual.distance)
    assert any(evidence.better in doubt for doubt in find_doubts(wrong, PICTURES))


def test_an_untrained_last_layer_is_seen() -> None:
    module = support.randomised(support.TinyNet())
    assert isinstance(module, support.TinyNet)
    nn.init.zeros_(module.fc.weight)
    doubts = find_doubts(tiny(module), PICTURES)
    assert any("last layer looks untrained" in doubt for doubt in doubts)


def test_saturation_is_seen() -> None:
    module = support.randomised(support.TinyNet())
    assert isinstance(module, support.TinyNet)
    with torch.no_grad():
        module.fc.bias[2] += 1000.0
    doubts = find_doubts(tiny(module), PICTURES)
    assert any("every picture is 'c'" in doubt for doubt in doubts)


def test_scores_that_are_not_finite_end_the_search() -> None:
    module = support.randomised(support.TinyNet())
    classifier = tiny(module)
    for each in classifier.head.buffers():
        each.fill_(float("nan"))
    (doubt,) = find_doubts(classifier, PICTURES)
    assert "not finite" in doubt


class Noisy(nn.Module):
    """Dropout that nobody switches off."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.5)


def test_a_random_network_is_seen() -> None:
    classifier = tiny()
    noisy = replace(classifier, trunk=nn.Sequential(classifier.trunk, Noisy()))
    assert any("network is random" in doubt for doubt in find_doubts(noisy, PICTURES))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "no names"),
        (["cat"] * 5, "all 5 classes are called 'cat'"),
        (["cat", "cat", "dog", "dog", "hen"], "only 3 of 5"),
    ],
)
def test_labels_that_tell_nothing_apart_are_seen(labels: list[str] | None, words: str) -> None:
    doubts = find_doubts(tiny(labels=labels), PICTURES)
    assert any(words in doubt for doubt in doubts)
