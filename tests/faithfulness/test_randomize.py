"""Networks whose weights are randomised part by part."""

from __future__ import annotations

from itertools import pairwise

import pytest

from live_gradcam.faithfulness.randomize import cascading_randomization, count_stages
from tests.explain.support import classifier


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
    for stage, scrambled in cascading_randomization(network):
        names.append(stage)
        numbers = scrambled.trunk.state_dict()
        changed.append({key for key, old in before.items() if not old.equal(numbers[key])})
    assert names[: len(stages)] == stages
    assert len(names) == count_stages(network) <= 13
    assert changed[0] == set()
    for earlier, later in pairwise(changed):
        assert earlier < later
    convolutions = {key for key, value in before.items() if value.ndim == 4}
    assert convolutions <= changed[-1]
    assert all(value.equal(before[key]) for key, value in network.trunk.state_dict().items())
