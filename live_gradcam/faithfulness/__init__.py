"""Faithfulness of explanations: tests that ask the network itself, never windows or files.

- `removal`: the class's probability without the hottest area, beside several areas elsewhere
- `verdicts`: what the tests mean, in plain sentences
- `measures`: deletion, insertion, average drop and the pointing game, as pure functions
- `scoring`: the probabilities of perturbed inputs, which the measures need
- `randomize`: the same classifier with random weights, whose maps must be other ones
"""

from live_gradcam.faithfulness.removal import Removal, rank_correlation, removal_test
from live_gradcam.faithfulness.verdicts import judge, removal_sentence, scramble_sentence
from live_gradcam.lazy import lazy_names

__all__ = [
    "Removal",
    "judge",
    "rank_correlation",
    "removal_sentence",
    "removal_test",
    "scramble_sentence",
]

# The removal test asks an explainer only, and so loads no torch.
__getattr__ = lazy_names(
    __name__,
    {
        "randomize": "cascading_randomization count_stages randomize_weights",
        "scoring": "NetworkInput Scorer",
    },
)
