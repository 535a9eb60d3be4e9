"""The head: multinomial logistic regression with L2 on standardised features.

Of the weights ``W`` and biases ``b`` of K classes on n examples ``x`` (standardised) the minimum of

    mean_i s_i * cross_entropy(W x_i + b, y_i)  +  p / (2 C n) * |W|^2

is found by L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116). ``s`` weighs every class alike,
however many examples it has; C is the strength as scikit-learn has it, the larger the freer. p is
1, and 2 for two classes, which scikit-learn fits with one row of weights instead of two opposite
ones: probabilities are those of its ``LogisticRegression(C=C, class_weight="balanced")`` behind a
``StandardScaler``. At last the standardisation is folded into weights and biases, so that the head
is one linear layer on the features themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_gradcam.explain.omp import in_short_lived_thread, torch_threads

Features = NDArray[np.float32]
"""Pooled features of n examples, ``(n, C)``."""

DEFAULT_STRENGTH = 0.01
"""Strength where nothing could be held out to choose it by."""

STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
"""Strengths that are tried, from the most bound to the freest."""

_HISTORY = 20
_MOST_STEPS, _TRIAL_STEPS = 1000, 60
_EXACT, _TRIAL = 1e-6, 1e-4
# Of a feature that hardly ever changed, standardising would make noise; it is left out.
_LEAST_SPREAD = 1e-6


class Stopped(Exception):
    """A fit was given up, because its caller asked for it."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A linear layer on pooled features.

    Attributes:
        weight: float32 ``(classes, C)``; its columns add up to 0.
        bias: float32 ``(classes,)``; adds up to 0.
        strength: C of the regression.
        start: Weights and biases before the folding, ``(classes, C + 1)``, to begin the next fit
            with.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    start: NDArray[np.float64]

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return the scores ``(n, classes)`` of features ``(n, C)``."""
        scores: NDArray[np.float64] = features.astype(np.float64) @ self.weight.T.astype(np.float64)
        return scores + self.bias

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """Return the probabilities ``(n, classes)``, 0..1, of features ``(n, C)``."""
        scores = self.logits(features)
        raised = np.exp(scores - scores.max(1, keepdims=True))
        shares: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
        return shares


def fit_head(
    features: Features,
    classes: Sequence[int] | NDArray[np.int64],
    class_count: int,
    *,
    strength: float = DEFAULT_STRENGTH,
    start: NDArray[np.float64] | None = None,
) -> FittedHead:
    """Fit a head; the same for the same examples, on one thread.

    Args:
        features: float32 ``(n, C)``, at least one of each class.
        classes: Index of each example's class, ``(n,)``.
        class_count: Number of classes, at least 2.
        strength: C of the regression, above 0.
        start: Of another `FittedHead` with as many features; of classes beyond its own nothing is
            known. The result is the same, only sooner.
    """
    problem = _Problem.of(features, classes, class_count)
    return in_short_lived_thread(lambda: problem.solve(strength, start))


def warm_up() -> None:
    """Load what the first fit would wait for, some seconds on a busy machine."""
    fit_head(np.eye(2, dtype=np.float32), (0, 1), 2)


def trial_scores(
    features: Features,
    classes: Sequence[int] | NDArray[np.int64],
    class_count: int,
    others: Features,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> NDArray[np.float64]:
    """Return the scores of other examples by heads of every strength of `STRENGTHS`.

    Args:
        features: As for `fit_head`.
        classes: As for `fit_head`.
        class_count: As for `fit_head`.
        others: Features of m examples that were held out, ``(m, C)``.
        stop: Asked again and again; ``True`` gives up.

    Returns:
        ``(strengths, m, classes)``.

    Raises:
        Stopped: The caller asked for it.
    """
    problem = _Problem.of(features, classes, class_count)

    def solve() -> NDArray[np.float64]:
        found, start = [], None
        for strength in STRENGTHS:
            head = problem.solve(strength, start, _TRIAL_STEPS, _TRIAL, stop)
            start = head.start
            found.append(head.logits(others))
        return np.stack(found)

    return in_short_lived_thread(solve)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Standardised examples, float64.

    Attributes:
        inputs: ``(n, C)``.
        truth: One-hot classes ``(n, classes)``.
        share: Weight of each example, adding up to 1, ``(n, 1)``.
        mean: Of each feature.
        scale: Standard deviation of each feature; infinite where it hardly changed.
    """

    inputs: Tensor
    truth: Tensor
    share: Tensor
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(
        cls, features: Features, classes: Sequence[int] | NDArray[np.int64], class_count: int
    ) -> _Problem:
        values = np.asarray(features, np.float64)
        mean, spread = values.mean(0), values.std(0)
        least = _LEAST_SPREAD * max(float(np.sqrt(np.mean(spread**2))), np.finfo(np.float32).tiny)
        scale = np.where(spread > least, spread, np.inf)
        truth = np.zeros((len(values), class_count))
        truth[np.arange(len(values)), np.asarray(classes)] = 1.0
        counts = truth.sum(0)
        share = (truth / np.maximum(counts, 1)).sum(1, keepdims=True) / np.count_nonzero(counts)
        inputs = torch.from_numpy((values - mean) / scale)
        return cls(inputs, torch.from_numpy(truth), torch.from_numpy(share), mean, scale)

    def solve(
        self,
        strength: float,
        start: NDArray[np.float64] | None,
        steps: int = _MOST_STEPS,
        exactness: float = _EXACT,
        stop: Callable[[], bool] = lambda: False,
    ) -> FittedHead:
        """Find the minimum on one thread, so that other work keeps its own, and sums their order.

        Args:
            strength: C.
            start: Weights and biases to begin with.
            steps: Of L-BFGS at most.
            exactness: Largest derivative that is taken for none.
            stop: Asked before every evaluation.

        Raises:
            Stopped: The caller asked for it.
        """
        with torch.no_grad(), torch_threads(1):
            theta = self._begin(start)
            found = self._minimise(strength, theta, steps, exactness, stop).numpy()
        found = found - found.mean(0)  # the same scores of every class change no probability
        weight = found[:, :-1] / self.scale
        bias = found[:, -1] - weight @ self.mean
        return FittedHead(weight.astype(np.float32), bias.astype(np.float32), strength, found)

    def _begin(self, start: NDArray[np.float64] | None) -> Tensor:
        values = np.zeros((self.truth.shape[1], self.inputs.shape[1] + 1))
        if start is not None and start.shape[1] == values.shape[1]:
            kept = min(len(start), len(values))
            values[:kept] = start[:kept]
        return torch.from_numpy(values)

    def _minimise(
        self,
        strength: float,
        theta: Tensor,
        steps: int,
        exactness: float,
        stop: Callable[[], bool],
    ) -> Tensor:
        count, class_count = self.truth.shape
        penalty = (2.0 if class_count == 2 else 1.0) / (strength * count)
        theta.grad = torch.zeros_like(theta)
        weight, bias = theta[:, :-1], theta[:, -1]
        gradient = theta.grad
        solver = torch.optim.LBFGS(
            [theta],
            max_iter=steps,
            max_eval=2 * steps,
            tolerance_grad=exactness,
            tolerance_change=1e-12,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

        def evaluate() -> float:
            if stop():
                raise Stopped
            scores = torch.addmm(bias, self.inputs, weight.t())
            logs = scores.log_softmax(1)
            error = (logs.exp() - self.truth) * self.share
            torch.mm(error.t(), self.inputs, out=gradient[:, :-1])
            gradient[:, :-1].add_(weight, alpha=penalty)
            gradient[:, -1] = error.sum(0)
            loss = -(self.truth * logs * self.share).sum() + 0.5 * penalty * weight.square().sum()
            return float(loss)

        solver.step(evaluate)  # type: ignore[no-untyped-call]
        return theta.detach()
