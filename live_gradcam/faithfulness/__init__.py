"""Faithfulness of explanations: tests that ask the network itself, never windows or files.

- `removal`: the class's probability without the hottest region, beside a control
- `measures`: deletion, insertion, average drop and the pointing game, as pure functions
- `scoring`: the probabilities of perturbed inputs, which the measures need
- `randomize`: the same classifier with random weights, whose maps must be other ones
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.faithfulness.removal import Removal, rank_correlation, removal_test
from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.faithfulness.randomize import (
        cascading_randomization,
        count_stages,
        randomize_weights,
    )
    from live_gradcam.faithfulness.scoring import NetworkInput, Scorer

__all__ = [
    "NetworkInput",
    "Removal",
    "Scorer",
    "cascading_randomization",
    "count_stages",
    "randomize_weights",
    "rank_correlation",
    "removal_test",
]

# The removal test asks an explainer only, and so loads no torch.
__getattr__ = lazy_names(
    __name__,
    {
        "randomize": "cascading_randomization count_stages randomize_weights",
        "scoring": "NetworkInput Scorer",
    },
)
