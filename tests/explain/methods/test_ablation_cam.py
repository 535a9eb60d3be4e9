"""Ablation-CAM."""

from __future__ import annotations

import pytest
import torch

from live_gradcam.explain.methods.ablation_cam import AblationCam
from tests.explain.heads.support import CHANNELS, ONE_LAYER, assert_near, make_case
from tests.explain.methods import peers


# Compared where the layer is rectified: elsewhere the library takes another value.
@pytest.mark.parametrize("network", peers.RECTIFIED)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity_of_many_forwards(network, "ablationcam")


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_the_map_is_its_definition(kind: str) -> None:
    """Also the closed form behind a Linear, which runs the head once."""
    case = make_case(kind)
    head = AblationCam(case.head)
    assert head.compilable == (kind == "linear")
    classes = torch.tensor([[0, 4, 7], [8, 8, 2]])
    found = head.explain(case.activations, lambda _: classes)[2]
    module = case.module.double()
    for sample, row in enumerate(classes.tolist()):
        values = case.activations[sample : sample + 1].double()
        scores = module(values.clone())[0]
        grid = case.head.to_grid(values)[0]
        for position, index in enumerate(row):
            expected = torch.zeros_like(grid[0])
            for channel in range(CHANNELS):
                without = values.clone()
                without.select(-1 if kind in ("tokens", "channels last") else 1, channel).zero_()
                left = module(without)[0, index]
                expected += (scores[index] - left) / scores[index] * grid[channel]
            # A score near zero has had its terms cancel out, and all shares are of it.
            cancelled = float(scores.abs().max() / scores[index].abs())
            terms = round(CHANNELS * grid[0].numel() * max(1.0, cancelled))
            assert_near(found[sample, position], expected, terms=terms)


def test_a_score_of_zero_has_no_share_to_lose() -> None:
    case = make_case("pointwise")
    values = -10 * case.activations.abs()  # far on one side: some classes are nowhere active
    scores = case.module(values)
    silent = int((scores == 0).all(0).nonzero()[0])
    maps = AblationCam(case.head).explain(values, lambda _: torch.full((2, 1), silent))[2]
    assert torch.equal(maps, torch.zeros_like(maps))
