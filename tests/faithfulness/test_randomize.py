"""Networks with random weights: all at once, or part by part."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.randomize import (
    cascading_randomization,
    count_stages,
    randomize_weights,
)
from live_gradcam.faithfulness.removal import rank_correlation
from live_gradcam.scenes import render_scene
from tests.explain.support import classifier
from tests.helpers.live import tiny_classifier


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", ["head", "layer4", "layer3", "layer2", "layer1", "conv1"]),
        ("squeezenet1_1", ["head", "features.12", "features.11", "features.10", "features.9"]),
    ],
)
def test_a_cascade_goes_from_the_head_to_the_first_layer(name: str, stages: list[str]) -> None:
    network = classifier(name, 10)
    before = {key: value.clone() for key, value in network.trunk.state_dict().items()}
    names, changed = [], []
    for stage, randomised in cascading_randomization(network):
        names.append(stage)
        weights = randomised.trunk.state_dict()
        changed.append({key for key, old in before.items() if not old.equal(weights[key])})
    assert names[: len(stages)] == stages
    assert len(names) == count_stages(network) <= 13
    assert changed[0] == set()
    for earlier, later in pairwise(changed):
        assert earlier < later
    convolutions = {key for key, value in before.items() if value.ndim == 4}
    assert convolutions <= changed[-1]
    assert all(value.equal(before[key]) for key, value in network.trunk.state_dict().items())


def test_with_random_weights_the_explanation_falls_apart() -> None:
    scenes = Explainer(load_classifier("scenes"), compile="off", precision="fp32")
    other = Explainer(randomize_weights(scenes.classifier), compile="off", precision="fp32")
    images = [render_scene(seed).image for seed in range(6)]
    found = []
    for image in images:
        ours, theirs = (each.explain(image, classes="all").evidence for each in (scenes, other))
        assert np.isfinite(theirs).all()
        found += [rank_correlation(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert abs(float(np.mean(found))) < 0.3
    assert scenes.explain(images[0]).predictions == scenes.explain(images[0]).predictions


def test_randomizing_leaves_the_trained_network_alone_and_is_told_by_its_seed() -> None:
    classifier = tiny_classifier()
    before = {name: value.clone() for name, value in classifier.trunk.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (randomize_weights(classifier, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    for name, value in classifier.trunk.state_dict().items():
        assert torch.equal(value, before[name])
        if name.endswith("weight"):
            assert torch.equal(first.trunk.state_dict()[name], again.trunk.state_dict()[name])
            assert not torch.equal(first.trunk.state_dict()[name], value)
            assert not torch.equal(first.trunk.state_dict()[name], other.trunk.state_dict()[name])
    assert not torch.equal(
        first.head.state_dict()["weight"], classifier.head.state_dict()["weight"]
    )
