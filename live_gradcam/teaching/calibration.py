"""Temperatures: how sure a head may be, from what was held out.

A head that tells its own bursts apart with ease is nearly sure of everything. Its scores are
divided by one number, the temperature (Guo et al. 2017, arXiv 1706.04599), with which the
probabilities of held-out examples fit best to what they were. Of N held-out bursts that were all
named rightly, Laplace's rule expects the next one to be named rightly with (N + 1) / (N + 2): that
is the probability which the true class is given, so that a few easy bursts make nobody certain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from live_gradcam.teaching.fit import softmax

# How far temperatures may be from 1.
_COLDEST, _HOTTEST = 0.02, 50.0
_STEPS = 40
_EXACT = 1e-4


def choose_temperature(
    scores: NDArray[np.float64],
    truth: NDArray[np.int64],
    share: NDArray[np.float64],
    bursts: int,
) -> tuple[float, float]:
    """Return the temperature that fits best, and the loss with it.

    Args:
        scores: Of held-out examples, ``(n, classes)``.
        truth: Index of each one's class, ``(n,)``.
        share: Weight of each, adding up to 1, ``(n,)``.
        bursts: Number of bursts that they are of, which is how many trials there were.

    Returns:
        The temperature, and the mean cross entropy against the expected probabilities.
    """
    class_count = scores.shape[1]
    sure = (bursts + 1) / (bursts + 2)
    rest = (1 - sure) / (class_count - 1)
    own = np.take_along_axis(scores, truth[:, None], 1)[:, 0]
    expected = float(share @ (sure * own + rest * (scores.sum(1) - own)))
    # The loss is convex in the inverse; where its derivative is 0, the mean score of what is said
    # is that of what is expected.
    low, high = 1 / _HOTTEST, 1 / _COLDEST
    inverse = 1.0
    for _ in range(_STEPS):
        said = softmax(scores * inverse)
        means = (said * scores).sum(1)
        slope = float(share @ means) - expected
        bend = float(share @ ((said * scores**2).sum(1) - means**2))
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        guess = inverse - slope / bend if bend > 0 else np.inf
        # Newton's step, or half of the way where it leads out of what is left.
        before, inverse = inverse, guess if low < guess < high else (low * high) ** 0.5
        if abs(inverse - before) <= _EXACT * before:
            break
    scaled = scores * inverse
    top = scaled.max(1)
    total = np.log(np.exp(scaled - top[:, None]).sum(1)) + top
    return 1 / inverse, float(share @ total) - inverse * expected
