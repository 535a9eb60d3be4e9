"""The head: multinomial logistic regression with L2 on standardised features.

Of the weights ``W`` and biases ``b`` of K classes on n examples ``x`` (standardised) the minimum of

    mean_i s_i * cross_entropy(W x_i + b, y_i)  +  p / (2 C n) * |W|^2

is found by L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116). ``s`` weighs every class alike,
however many examples it has; C is the strength as scikit-learn has it, the larger the freer. p is
1, and 2 for two classes, which scikit-learn fits with one row of weights instead of two opposite
ones: probabilities are those of its ``LogisticRegression(C=C, class_weight="balanced")`` behind a
``StandardScaler``. At last the standardisation is folded into weights and biases, so that the head
is one linear layer on the features themselves; so is its temperature, see `calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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

EXACT = 1e-6
"""Largest derivative that is taken for none: probabilities of fresh examples are within 1e-3."""

ROUGH = 1e-4
"""The same for a head that is soon followed by the next one: within some hundredths."""

_HISTORY = 20
_MOST_STEPS = 1000
# Of a feature that hardly ever changed, standardising would make noise; it is left out.
_LEAST_SPREAD = 1e-6
# What is added to the squares of directions in which examples do not differ, of the largest one.
_JITTER = 1e-12


class Stopped(Exception):
    """A fit was given up, because its caller asked for it."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A linear layer on pooled features.

    Attributes:
        weight: float32 ``(classes, C)``; its columns add up to 0.
        bias: float32 ``(classes,)``; adds up to 0.
        strength: C of the regression.
        start: Weights and biases before they were divided by the temperature, ``(classes, C + 1)``,
            to begin the next fit with.
        temperature: What the regression's scores are divided by, see `calibrated`.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    start: NDArray[np.float64]
    temperature: float = 1.0

    def calibrated(self, temperature: float) -> FittedHead:
        """Return the head whose scores are the regression's divided by a temperature.

        Weights and biases are divided, so that the head stays one linear layer: evidence and bias
        add up to the score (Guo et al. 2017, arXiv 1706.04599).
        """
        found = (self.start / temperature).astype(np.float32)
        return replace(self, weight=found[:, :-1], bias=found[:, -1], temperature=temperature)

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return the scores ``(n, classes)`` of features ``(n, C)``."""
        scores: NDArray[np.float64] = features.astype(np.float64) @ self.weight.T.astype(np.float64)
        return scores + self.bias

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """Return the probabilities ``(n, classes)``, 0..1, of features ``(n, C)``."""
        return softmax(self.logits(features))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of scores, along the last axis."""
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(-1, keepdims=True)
    return shares


def fit_head(
    features: Features,
    classes: Sequence[int] | NDArray[np.int64],
    class_count: int,
    *,
    strength: float = DEFAULT_STRENGTH,
    start: NDArray[np.float64] | None = None,
    exactness: float = EXACT,
    stop: Callable[[], bool] = lambda: False,
) -> FittedHead:
    """Fit a head; the same for the same examples, on one thread.

    Args:
        features: float32 ``(n, C)``, at least one of each class.
        classes: Index of each example's class, ``(n,)``.
        class_count: Number of classes, at least 2.
        strength: C of the regression, above 0.
        start: Of another `FittedHead` of the same classes on as many features. The result is the
            same, only sooner.
        exactness: `EXACT` or `ROUGH`.
        stop: Asked again and again; ``True`` gives up.

    Raises:
        Stopped: The caller asked for it.
    """

    def solve() -> FittedHead:
        with torch_threads(1):  # other work keeps its own, and sums their order
            return _Problem.of(features, classes, class_count).solve(
                strength, start, exactness, stop
            )

    return in_short_lived_thread(solve)


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

    def solve() -> NDArray[np.float64]:
        found, start = [], None
        with torch_threads(1):
            problem = _Problem.of(features, classes, class_count)
            for strength in STRENGTHS:
                head = problem.solve(strength, start, stop=stop)
                start = head.start
                found.append(head.logits(others))
        return np.stack(found)

    return in_short_lived_thread(solve)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Standardised examples, float64, in coordinates in which they are quickly told apart.

    Where there are fewer examples than features, they span few directions, and no weight has a part
    in the others: with ``inputs inputs^T = L L^T`` the rows of ``L`` are the same examples in
    coordinates of which the penalty is the same.

    Attributes:
        inputs: ``(n, C)``.
        places: The examples in their coordinates, ``(n, r)``.
        spread: Of the places, ``(r, r)``: sum of their squares, each with its share.
        truth: One-hot classes ``(n, classes)``.
        share: Weight of each example, adding up to 1, ``(n, 1)``.
        mean: Of each feature.
        factor: What each feature is multiplied by: 0 where it hardly changed.
    """

    inputs: Tensor
    places: Tensor
    spread: Tensor
    truth: Tensor
    share: Tensor
    mean: NDArray[np.float64]
    factor: NDArray[np.float64]

    @classmethod
    @torch.no_grad()
    def of(
        cls, features: Features, classes: Sequence[int] | NDArray[np.int64], class_count: int
    ) -> _Problem:
        """Make the problem; on one thread, so that sums have their order."""
        values = np.asarray(features, np.float64)
        mean, deviation = values.mean(0), values.std(0)
        typical = float(np.sqrt(np.mean(deviation**2)))
        least = _LEAST_SPREAD * max(typical, float(np.finfo(np.float32).tiny))
        factor = np.where(deviation > least, 1.0 / np.maximum(deviation, least), 0.0)
        truth = np.zeros((len(values), class_count))
        truth[np.arange(len(values)), np.asarray(classes)] = 1.0
        counts = truth.sum(0)
        share = (truth / np.maximum(counts, 1)).sum(1, keepdims=True) / np.count_nonzero(counts)
        inputs = places = torch.from_numpy((values - mean) * factor)
        if len(values) < values.shape[1]:
            squares = inputs @ inputs.t()
            jitter = _JITTER * len(values) * squares.diagonal().mean().clamp_min(1e-30)
            squares.diagonal().add_(jitter)
            places = torch.linalg.cholesky(squares)
        weights = torch.from_numpy(share)
        # It only says in which directions to go how far: half the digits will do.
        rough = places.float()
        spread = (rough * weights.float()).t() @ rough
        return cls(inputs, places, spread.double(), torch.from_numpy(truth), weights, mean, factor)

    @torch.no_grad()
    def solve(
        self,
        strength: float,
        start: NDArray[np.float64] | None = None,
        exactness: float = EXACT,
        stop: Callable[[], bool] = lambda: False,
    ) -> FittedHead:
        """Find the minimum.

        L-BFGS goes its way in coordinates in which the objective bends about as much in every
        direction: there it takes tens of steps instead of hundreds.

        Args:
            strength: C.
            start: Weights and biases on the features themselves, to begin with.
            exactness: Largest derivative that is taken for none, in those coordinates.
            stop: Asked before every evaluation.

        Raises:
            Stopped: The caller asked for it.
        """
        count, class_count = self.truth.shape
        penalty = (2.0 if class_count == 2 else 1.0) / (strength * count)
        bend = _curvature(strength)
        metric = bend * self.spread
        metric.diagonal().add_(penalty)
        root = torch.linalg.cholesky(metric)
        weight, bias = self._begin(start)
        theta = torch.cat((weight @ root, bias[:, None] * bend**0.5), 1)
        _minimise(theta, _Objective(self, penalty, root, bend**0.5, stop), exactness)
        weight = torch.linalg.solve_triangular(root, theta[:, :-1], upper=False, left=False)
        bias = theta[:, -1] / bend**0.5
        return self._fold(weight, bias, strength)

    def _begin(self, start: NDArray[np.float64] | None) -> tuple[Tensor, Tensor]:
        """Return weights of the places, and biases."""
        class_count, size = self.truth.shape[1], self.places.shape[1]
        found = torch.zeros(class_count, size, dtype=torch.float64)
        biases = torch.zeros(class_count, dtype=torch.float64)
        if start is None or start.shape != (class_count, len(self.mean) + 1):
            return found, biases
        on_features = torch.from_numpy(start[:, :-1])
        biases = torch.from_numpy(start[:, -1] + start[:, :-1] @ self.mean)
        # Where a feature has no part, neither has what was known of it.
        back = torch.from_numpy(np.where(self.factor > 0, 1 / np.maximum(self.factor, 1e-300), 0))
        weight = on_features * back
        if self.places is not self.inputs:
            reached = (weight @ self.inputs.t()).t()
            weight = torch.linalg.solve_triangular(self.places, reached, upper=False).t()
        return weight.contiguous(), biases

    def _fold(self, weight: Tensor, bias: Tensor, strength: float) -> FittedHead:
        """Return the head on the features themselves."""
        if self.places is not self.inputs:
            of_examples = torch.linalg.solve_triangular(
                self.places, weight, upper=False, left=False
            )
            weight = of_examples @ self.inputs
        # The same scores of every class change no probability.
        rows = (weight - weight.mean(0)).numpy() * self.factor
        biases = (bias - bias.mean()).numpy() - rows @ self.mean
        found = np.concatenate((rows, biases[:, None]), 1)
        single = found.astype(np.float32)
        return FittedHead(single[:, :-1], single[:, -1], strength, found)


def _curvature(strength: float) -> float:
    """Return how much the cross entropy bends where the minimum is expected.

    It bends by p (1 - p), which is the smaller, the freer the head is.
    """
    return float(np.clip(1e-3 / strength**0.5, 1e-3, 0.1))


class _Objective:
    """The objective, in the coordinates of `_Problem.solve`: ``(classes, r + 1)``."""

    def __init__(
        self,
        problem: _Problem,
        penalty: float,
        root: Tensor,
        bias_scale: float,
        stop: Callable[[], bool],
    ) -> None:
        self._problem = problem
        self._penalty = penalty
        self._root = root
        self._bias_scale = bias_scale
        self._stop = stop

    def __call__(self, theta: Tensor, gradient: Tensor) -> float:
        """Return the value, and write the derivatives."""
        if self._stop():
            raise Stopped
        problem, root = self._problem, self._root
        weight = torch.linalg.solve_triangular(root, theta[:, :-1], upper=False, left=False)
        scores = torch.addmm(theta[:, -1] / self._bias_scale, problem.places, weight.t())
        logs = scores.log_softmax(1)
        error = (logs.exp() - problem.truth) * problem.share
        by_weight = (error.t() @ problem.places).add_(weight, alpha=self._penalty)
        gradient[:, :-1] = torch.linalg.solve_triangular(
            root.t(), by_weight, upper=True, left=False
        )
        gradient[:, -1] = error.sum(0) / self._bias_scale
        loss = -(problem.truth * logs * problem.share).sum()
        return float(loss + 0.5 * self._penalty * weight.square().sum())


def _minimise(
    theta: Tensor, objective: Callable[[Tensor, Tensor], float], exactness: float
) -> None:
    """Move to the minimum."""
    theta.grad = gradient = torch.zeros_like(theta)
    solver = torch.optim.LBFGS(
        [theta],
        max_iter=_MOST_STEPS,
        max_eval=2 * _MOST_STEPS,
        tolerance_grad=exactness,
        tolerance_change=1e-12,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
    )
    solver.step(lambda: objective(theta, gradient))  # type: ignore[no-untyped-call]
