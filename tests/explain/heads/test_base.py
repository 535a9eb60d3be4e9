"""What heads and methods share: the choice of classes, and sums over channels."""

from __future__ import annotations

import torch

from live_gradcam.explain.heads import choose_classes, one_hot, positionwise_sum
from tests.explain.heads.support import assert_near


def test_ranks_and_indices_can_be_mixed() -> None:
    logits = torch.tensor([[0.1, 3.0, 2.0, -1.0], [9.0, 0.0, 1.0, 8.0]])
    chosen = choose_classes(logits, torch.tensor([-1, 3, -2]))
    assert chosen.tolist() == [[1, 3, 2], [0, 3, 3]]


def test_more_ranks_than_classes_repeat_the_last() -> None:
    assert choose_classes(torch.tensor([[1.0, 2.0]]), torch.tensor([-1, -2, -3])).tolist() == [
        [1, 0, 0]
    ]


def test_one_hot_picks_the_chosen_scores() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert one_hot(logits, torch.tensor([[2, 0]])).tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_one_weight_for_all_positions_is_the_same_weight_at_each() -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(2, 6, 4, 5, generator=generator)
    weights = torch.randn(2, 3, 6, 1, 1, generator=generator)
    everywhere = weights.expand(2, 3, 6, 4, 5)
    expected = torch.einsum("nkchw,nchw->nkhw", everywhere, activations)
    assert_near(positionwise_sum(weights, activations), expected, terms=6)
    assert_near(positionwise_sum(everywhere, activations), expected, terms=6)
