"""Eigen-CAM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from live_gradcam.explain.methods.eigen_cam import EigenCam, first_component
from tests.explain.heads.support import assert_near, make_case
from tests.explain.methods import peers


@pytest.mark.parametrize("network", peers.NETWORKS)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity(network, "eigencam")


def test_it_equals_pytorch_grad_cam_on_a_photograph(shared: Path) -> None:
    peers.assert_parity_on_a_photograph("eigencam", shared)


@pytest.mark.parametrize(("channels", "side"), [(6, 4), (40, 4)])
def test_the_first_component_goes_with_the_mean_and_is_that_of_the_decomposition(
    channels: int, side: int
) -> None:
    values = torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(2))
    for sign in (1.0, -1.0):
        found = first_component(sign * values)
        for each, one in zip(sign * values, found, strict=True):
            rows = each.double().flatten(1).t()
            centred = rows - rows.mean(0)
            _, spread, vectors = torch.linalg.svd(centred)
            expected = (centred @ vectors[0]).view(side, side)
            mean = each.mean(0)
            assert float(((mean - mean.mean()) * one).sum()) >= 0
            aligned = expected if float((expected * one).sum()) > 0 else -expected
            # An eigenvector of the squares turns by their rounding over their distance.
            gap = float(spread[0] ** 2 / (spread[0] ** 2 - spread[1] ** 2))
            assert_near(one, aligned, terms=round(channels * side * side * gap))


def test_one_image_that_is_not_finite_does_not_spoil_its_batch() -> None:
    case = make_case("linear", count=3)
    values = case.activations
    clean = first_component(values)
    values[1, 2, 0, 0] = torch.nan
    found = first_component(values)
    assert found[1].isnan().all()
    assert_near(found[[0, 2]], clean[[0, 2]])
    maps = EigenCam(case.head).explain(values, lambda _: torch.zeros(3, 2).long())[2]
    assert torch.equal(maps[0, 0], maps[0, 1]), "it is the same for every class"
