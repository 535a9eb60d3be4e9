"""What is in a checkpoint, told without knowing which network it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.recognise import describe_checkpoint, recognise
from live_gradcam.explain.networks.torchvision_networks import build_network
from tests.explain import support
from tests.explain.networks.own import prefixed

NAMES = (
    *("resnet34", "wide_resnet50_2", "vgg11", "vgg11_bn", "alexnet", "squeezenet1_0"),
    *("densenet121", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b1", "mnasnet0_75"),
    *("shufflenet_v2_x1_0", "googlenet", "inception_v3", "regnet_y_400mf", "convnext_tiny"),
    *("vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
)


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_recognised_by_their_names_and_shapes(name: str, tmp_path: Path) -> None:
    # Numbers of no size: one zero repeated would be refused, so a row of each is enough to save.
    state = {
        key: torch.zeros(tensor.shape, dtype=torch.uint8)
        for key, tensor in build_network(name, 5).state_dict().items()
    }
    torch.save(prefixed("model.", state), tmp_path / "w.pth")
    found = recognise(read_checkpoint(tmp_path / "w.pth"))
    assert found[0] == (name, 1.0)
    assert all(share < 1 for _, share in found[1:])


def test_a_checkpoint_is_described(tmp_path: Path) -> None:
    state = support.network("shufflenet_v2_x0_5", 5).state_dict()
    torch.save(
        {
            "model": prefixed("module.backbone.", state),
            "model_ema": prefixed("module.backbone.", state),
            "classes": list("abcde"),
            "epoch": 3,
        },
        tmp_path / "w.pth",
    )
    report = describe_checkpoint(tmp_path / "w.pth")
    assert report.states == ("model", "model_ema")
    assert report.state == "model_ema"
    assert report.tensor_count == len(state)
    assert report.parameter_count == sum(tensor.numel() for tensor in state.values())
    assert report.prefix == "backbone."
    assert report.nearest[0] == ("shufflenet_v2_x0_5", 1.0)
    assert (report.in_channels, report.class_count) == (3, 5)
    assert report.labels == tuple("abcde")
    assert "backbone.conv1.0.weight' (24, 3, 3, 3)" in report.examples[0]
    assert any("averaged" in note for note in report.notes)
    assert describe_checkpoint(tmp_path / "w.pth", state="model").state == "model"


def test_what_no_network_has_is_not_recognised(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(3, 3), "b.bias": torch.ones(2)}, tmp_path / "w.pth")
    report = describe_checkpoint(tmp_path / "w.pth")
    assert report.nearest == ()
    assert report.in_channels is None
    assert report.class_count == 3
