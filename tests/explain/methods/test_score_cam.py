"""Score-CAM."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods.score_cam import ScoreCam
from tests.explain import support
from tests.explain.heads.support import assert_near
from tests.explain.methods import peers


@pytest.mark.parametrize("network", peers.RECTIFIED)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity_of_many_forwards(network, "scorecam")


def test_the_map_is_its_definition() -> None:
    classifier = support.tiny_classifier()
    module = support.randomised(support.TinyNet())
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([[0, 3], [4, 4]])
    with torch.no_grad():
        head = ScoreCam(classifier.head)
        found = head.explain_input(inputs, classifier.trunk, lambda _: classes)[2]
        for sample, row in enumerate(classes.tolist()):
            channels = classifier.trunk(inputs)[sample][:, None]
            masks = functional.interpolate(channels, (64, 64), mode="bilinear", align_corners=True)
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            scores = module(inputs[sample] * (masks - low) / (high - low + 1e-8))
            for position, index in enumerate(row):
                weights = scores[:, index].softmax(0)
                expected = (weights[:, None, None] * channels[:, 0]).sum(0)
                # Through three layers, the longest of which adds up 8 channels of 3x3.
                assert_near(found[sample, position], expected, terms=3 * 72)


def test_it_says_how_far_it_is() -> None:
    steps: list[tuple[int, int]] = []
    with Explainer(
        support.tiny_classifier(),
        compile="off",
        method="scorecam",
        on_forwards=lambda done, total: steps.append((done, total)),
    ) as explainer:
        explainer.explain_batch([support.smooth_image(), support.smooth_image(seed=1)])
    assert steps == [(16, 32), (32, 32)]


def test_activations_alone_are_not_enough() -> None:
    head = ScoreCam(support.tiny_classifier().head)
    with pytest.raises(NotImplementedError, match="needs the network's input"):
        head.explain(torch.zeros(1, 16, 4, 4), lambda _: torch.zeros(1, 1).long())
