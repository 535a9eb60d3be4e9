"""Faithfulness of explanations: tests that ask the network itself, never windows or files.

- `removal`: the class's probability without the hottest region, beside a control
- `measures`: deletion, insertion, average drop and the pointing game, as pure functions
- `scoring`: the probabilities of perturbed inputs, which the measures need
- `randomize`: the same classifier with random weights, whose maps must be other ones
"""

from live_gradcam.faithfulness.randomize import (
    cascading_randomization,
    count_stages,
    randomize_weights,
)
from live_gradcam.faithfulness.removal import Removal, rank_correlation, removal_test
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
