"""Checkpoints as training programs write them, and the plain networks that they are of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.explain.networks.find import find_network
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import NetworkSpec

SMALL = "shufflenet_v2_x0_5"
"""A network of torchvision of a megabyte, with a head of one linear layer."""


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under longer names."""
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def changed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same names with other numbers."""
    return {
        name: tensor * 1.1 if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def load(
    path: Path,
    content: object,
    name: str = SMALL,
    *,
    state: str | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    **options: Any,
) -> NetworkSpec:
    """Save a checkpoint with `torch.save` and find the network with its weights."""
    torch.save(content, path, **options)
    return find_network(name, path, LoadOptions(state=state, preprocessing=preprocessing), None)


def alive(module: nn.Module, seed: int = 0) -> nn.Module:
    """A network in evaluation mode, all of whose norms have statistics that matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, (nn.BatchNorm1d, nn.BatchNorm2d)):
                assert each.running_mean is not None
                assert each.running_var is not None
                each.running_mean.normal_(0, 0.2, generator=generator)
                each.running_var.uniform_(0.6, 1.4, generator=generator)
                if each.affine:
                    each.weight.uniform_(0.7, 1.3, generator=generator)
                    each.bias.normal_(0, 0.1, generator=generator)
            elif isinstance(each, nn.Linear):
                each.weight.normal_(0, each.in_features**-0.5, generator=generator)
    return module.eval()


def assert_is(spec: NetworkSpec, module: nn.Module, *, channels: int = 3, side: int = 64) -> None:
    """The network's probabilities are those of the user's own code, on several images."""
    pixels = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = spec.network(pixels), module.eval()(pixels)
    assert found.shape == expected.shape
    assert float(expected.std()) > 1e-3, "a network that says the same of everything proves nothing"
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.softmax(1), expected.softmax(1), rtol=0, atol=1e-5)
    assert spec.in_channels == channels


def said(spec: NetworkSpec, *parts: str) -> None:
    """Each part stands in one of the notes."""
    for part in parts:
        assert any(part in note for note in spec.notes), (part, spec.notes)
