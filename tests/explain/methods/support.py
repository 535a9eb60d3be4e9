"""Every method against its definition, in float64 and with plain autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from live_gradcam.explain.methods import METHODS
from tests.explain.heads.support import assert_near, autograd, make_case

Definition: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From one sample's activations and the gradient of a score, ``(C, h, w)`` both, to ``(h, w)``."""


def assert_definition(method: str, kind: str, definition: Definition) -> None:
    """The maps of a batch of samples and classes are the definition of each.

    Args:
        method: Name of the method.
        kind: One of the small heads.
        definition: Of its map.
    """
    case = make_case(kind)
    classes = torch.tensor([[0, 4, 7], [8, 8, 2]])
    head = METHODS[method].make_head(case.head)
    maps = head.explain(case.activations, lambda _: classes)[2]
    expected = [
        [definition(*autograd(case, sample, index)[1:]) for index in row]
        for sample, row in enumerate(classes.tolist())
    ]
    assert float(maps.abs().max()) > 0, "blank maps prove nothing"
    assert_near(maps, torch.stack([torch.stack(row) for row in expected]))
