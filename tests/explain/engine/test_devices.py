"""Whatever a forward touches goes to the device with the network.

Checked on torch's `meta` device, which computes nothing and refuses to mix with the CPU as CUDA
does: the same code then runs on any GPU. Numbers on CUDA itself: see test_cuda_graphs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torchvision.models import VisionTransformer

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork, Output
from live_gradcam.explain.layers import choose_layers
from live_gradcam.explain.methods import METHODS
from tests.explain import support


def several_layers() -> Classifier:
    chosen = choose_layers(support.classifier("squeezenet1_1", 5), "-1,-2")
    assert chosen is not None
    return chosen


def small_transformer() -> Classifier:
    module = VisionTransformer(224, 32, 2, 4, 48, 96, num_classes=5)
    return Classifier.from_module(support.randomised(module, seed=3, probe_size=224))


def assert_moves(network: FusedNetwork, classifier: Classifier) -> None:
    moved = copy.deepcopy(network.requires_grad_(False).eval()).to("meta")
    side, _ = classifier.preprocessing.input_size
    pixels = torch.empty(2, side, side, 3, dtype=torch.uint8, device="meta")
    selection = torch.empty(3, dtype=torch.int64, device="meta")
    with torch.no_grad():
        output = Output(*moved(pixels, selection))
    assert {part.device.type for part in output} == {"meta"}
    assert {output.logits.dtype, output.evidence.dtype} == {torch.float32}
    assert output.evidence.shape[:2] == (2, 3)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(
    "make",
    [
        support.tiny_classifier,
        support.gradient_classifier,
        lambda: support.classifier("squeezenet1_1", 5),
        small_transformer,
    ],
    ids=["linear", "gradient", "pointwise", "tokens"],
)
def test_methods_move_with_the_network(make: Callable[[], Classifier], method: str) -> None:
    classifier = make()
    head = METHODS[method].make_head(classifier.head)
    assert_moves(FusedNetwork(replace(classifier, head=head), "fp16"), classifier)


@pytest.mark.parametrize(
    "make",
    [
        lambda: support.classifier("resnet18", 5),
        lambda: support.classifier("convnext_tiny", 5),
        lambda: support.classifier("efficientnet_b0", 5),
        lambda: support.classifier("maxvit_t", 5),
        lambda: support.classifier("shufflenet_v2_x0_5", 5),
        lambda: support.classifier("swin_t", 5),
        several_layers,
    ],
    ids=["resnet", "convnext", "efficientnet", "maxvit", "shufflenet", "swin", "several layers"],
)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_networks_move(make: Callable[[], Classifier], precision: Literal["fp32", "fp16"]) -> None:
    classifier = make()
    assert_moves(FusedNetwork(classifier, precision), classifier)
