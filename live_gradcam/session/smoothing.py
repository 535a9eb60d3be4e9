"""Steady images: a top label that does not flicker, maps without the shimmer of sensor noise.

Noise is smoothed, news is not: what clearly changes is shown at once or one frame later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from live_gradcam.predictions import lead_of
from live_gradcam.values import SOFTMAX, Evidence, OutputKind, Prediction

# Of all three-frame filters that delay by one frame, the one that lets the least of white noise
# through as change between frames: a tenth of its power, or 1/3.2 of its amplitude.
TAPS = (0.3, 0.4, 0.3)
"""Weights of the newest map, of the one before, and of the one before that."""

NOISE_BAND = 3.0
"""Changes of this many standard deviations of the noise are noise ..."""

LARGEST_BAND = 0.03
"""... as long as they are smaller than this share of the map's maximum, which nobody can see: the
largest distance of a shown map from the true one before it."""

CREEP = 0.1
"""Share of a change within the band that is followed in one frame."""

NOISE_GROWTH = 1.1
"""The estimate of the noise follows less noise at once and more noise by this factor a frame:
motion looks like noise, but does not last."""

DEVIATIONS = float(1.0 / (0.6745 * np.sqrt(2.0)))
"""Standard deviation of one map from the median of the differences of two, for normal noise."""

NEWS = 0.6
"""A map that differs from the last ones by more than this share of their strength is news."""

SMALLEST_LEAD = 0.02
"""Leads below this are noise, however small the numbers."""


class SteadyLabels:
    """The labels in an order that does not flicker.

    A class takes another's place at once when it clearly leads, and after some frames when it
    leads by little, but leads all the time.

    Args:
        margin: Lead in smoothed probability (or plain number) that is clear, as a share of the
            leader's, 0..1.
        patience: Frames of a small lead after which it counts.
        rate: Weight of the newest frame in the smoothed probability, above 0 and at most 1.
    """

    def __init__(self, *, margin: float = 0.35, patience: int = 8, rate: float = 0.5) -> None:
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be above 0 and at most 1, not {rate}")
        self._margin = margin
        self._patience = patience
        self._rate = rate
        self._smoothed: dict[int, float] = {}
        self._order: list[int] = []
        self._leads: dict[tuple[int, int], int] = {}
        self._held = False

    @property
    def top(self) -> int | None:
        """The class that counts as the best one; ``None`` before the first frame."""
        return self._order[0] if self._order else None

    @property
    def order(self) -> tuple[int, ...]:
        """The classes of the last frame, in their steady order."""
        return tuple(self._order)

    def update(
        self,
        predictions: Sequence[Prediction],
        output: OutputKind = SOFTMAX,
        *,
        held: bool = False,
    ) -> tuple[Prediction, ...]:
        """Add the next frame's predictions and return them in their steady order.

        The numbers are those of this frame; only their order is smoothed.

        Args:
            predictions: Of the frame.
            output: Meaning of their numbers; the threshold of a binary one decides which leads.
            held: Somebody has chosen a row of the list: whatever leads, no row changes its place
                with another one. Once nothing is held, the best comes first again at once.
        """
        now = {each.class_index: lead_of(each, output) for each in predictions}
        fresh = not self._smoothed
        for index in {*self._smoothed, *now}:
            before = self._smoothed.get(index, 0.0)
            rate = 1.0 if fresh else self._rate
            self._smoothed[index] = before + rate * (now.get(index, 0.0) - before)
        order = [index for index in self._order if index in now]
        order += [each.class_index for each in predictions if each.class_index not in order]
        if held:
            self._order = order
            self._leads.clear()
        elif self._held:
            self._order = sorted(order, key=lambda index: -self._smoothed[index])
        else:
            self._order = self._settle(order)
        self._held = held
        # What has not been seen for long is forgotten.
        self._smoothed = {
            index: value for index, value in self._smoothed.items() if index in now or value > 0.01
        }
        by_class = {prediction.class_index: prediction for prediction in predictions}
        return tuple(by_class[index] for index in self._order)

    def reset(self) -> None:
        """Forget everything, e.g. when the network was replaced."""
        self._smoothed.clear()
        self._order.clear()
        self._leads.clear()
        self._held = False

    def _settle(self, order: list[int]) -> list[int]:
        """Let classes rise past the one above them where they have earned it."""
        leads: dict[tuple[int, int], int] = {}
        for _ in order:
            for rank in range(len(order) - 1):
                above, below = order[rank], order[rank + 1]
                lead = self._smoothed[below] - self._smoothed[above]
                if lead <= 0:
                    continue
                pair = (below, above)
                leads[pair] = self._leads.get(pair, 0) + 1
                clear = lead >= max(self._margin * abs(self._smoothed[below]), SMALLEST_LEAD)
                if clear or leads[pair] > self._patience:
                    order[rank], order[rank + 1] = below, above
        self._leads = leads
        return order


class SteadyMaps:
    """Maps without shimmer, one frame late.

    Three frames are averaged, which delays by exactly one frame. What then still changes by no more
    than noise does, and by less than can be seen, is followed slowly only. A map that has little in
    common with the ones before is news (a cut, another object): it is shown as it is, at once.
    """

    def __init__(self) -> None:
        self._history: deque[dict[int, NDArray[np.float32]]] = deque(maxlen=len(TAPS))
        self._calm: dict[int, NDArray[np.float32]] = {}
        self._noise: float | None = None
        self._context: Hashable = None

    def update(
        self, explained: Sequence[int], evidence: Evidence, context: Hashable = None
    ) -> Evidence:
        """Add the next frame's maps and return them smoothed.

        Args:
            explained: Class of each map.
            evidence: ``float32 (K, h, w)`` in logits.
            context: Meaning of the maps (layer, view, network); another one begins anew.
        """
        if context != self._context:
            self.reset()
            self._context = context
        newest = dict(zip(explained, evidence, strict=True))
        if self._history and _is_news(newest, self._history[0]):
            self._history.clear()
            self._calm.clear()
        if self._history:
            self._measure_noise(newest, self._history[0])
        self._history.appendleft(newest)
        self._calm = {index: self._settle(index) for index in explained}
        return np.stack([self._calm[index] for index in explained]) if explained else evidence

    def reset(self) -> None:
        """Forget the frames before."""
        self._history.clear()
        self._calm.clear()
        self._noise = None

    def _measure_noise(
        self, newest: Mapping[int, NDArray[np.float32]], before: Mapping[int, NDArray[np.float32]]
    ) -> None:
        """Estimate the change of the maps where nothing happens."""
        changes = [np.abs(each - before[i]).ravel() for i, each in newest.items() if i in before]
        if not changes:
            return
        noise = float(np.median(np.concatenate(changes)) * DEVIATIONS)
        if self._noise is None or noise < self._noise:
            self._noise = noise
        else:
            self._noise = min(noise, self._noise * NOISE_GROWTH + 1e-12)

    def _settle(self, index: int) -> NDArray[np.float32]:
        averaged = self._average(index)
        before = self._calm.get(index)
        if before is None or self._noise is None:
            return averaged
        band = min(
            NOISE_BAND * self._noise * float(np.linalg.norm(TAPS)),
            LARGEST_BAND * float(np.abs(averaged).max()),
        )
        held_back = np.clip(averaged - before, -band, band) * np.float32(1.0 - CREEP)
        calm: NDArray[np.float32] = (averaged - held_back).astype(np.float32)
        return calm

    def _average(self, index: int) -> NDArray[np.float32]:
        total = np.zeros_like(self._history[0][index])
        weight = 0.0
        for tap, maps in zip(TAPS, self._history, strict=False):
            if index not in maps:
                break
            total += np.float32(tap) * maps[index]
            weight += tap
        average: NDArray[np.float32] = total / np.float32(weight)
        return average


def _is_news(
    newest: Mapping[int, NDArray[np.float32]], before: Mapping[int, NDArray[np.float32]]
) -> bool:
    """Return ``True`` if the maps that both frames have differ more than noise makes them."""
    change = strength = 0.0
    for index, after in newest.items():
        past = before.get(index)
        if past is None:
            continue
        if past.shape != after.shape:
            return True
        change += float(np.abs(after - past).sum())
        strength += max(float(np.abs(after).sum()), float(np.abs(past).sum()))
    return change > NEWS * strength
