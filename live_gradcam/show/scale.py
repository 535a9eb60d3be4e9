"""The colour scale of moving images: a smoothed maximum in logits."""

from __future__ import annotations

from live_gradcam.show.heat import own_scale
from live_gradcam.values import Explanation


class HeatScale:
    """The logit value that is shown in full colour, steady in time.

    A map stretched to its own maximum flickers and turns noise red. This follows the maximum of
    the maps instead: quickly upwards, slowly downwards, and never below a fraction of the peak that
    was seen lately, so that what is weak looks weak. It counts frames, not time.

    Args:
        attack: Share of the way to a higher maximum that one frame goes.
        decay: Share of the way to a lower maximum that one frame goes.
        floor: Lowest scale as a fraction of the recent peak.
        forget: Share of the peak that one frame forgets.
    """

    def __init__(
        self, *, attack: float = 0.5, decay: float = 0.04, floor: float = 0.2, forget: float = 0.002
    ) -> None:
        for name, value in {"attack": attack, "decay": decay}.items():
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
        for name, value in {"floor": floor, "forget": forget}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {value}")
        self._attack, self._decay, self._floor, self._forget = attack, decay, floor, forget
        self._value = 0.0
        self._peak = 0.0

    @property
    def value(self) -> float:
        """The present scale in logits; 0 before the first positive evidence."""
        return self._value

    def update(self, explanation: Explanation, *, signed: bool = False) -> float:
        """Take the next frame's explanation and return the scale in logits to draw it with.

        Args:
            explanation: All of its maps count: a mosaic draws them on one scale.
            signed: Whether evidence against a class is drawn too.
        """
        target = own_scale(explanation.evidence, signed=signed)
        self._peak = max(target, self._peak * (1.0 - self._forget))
        if self._value == 0.0:
            self._value = target
        elif target > 0.0:  # a map without evidence says nothing about how large evidence is
            rate = self._attack if target > self._value else self._decay
            self._value += rate * (target - self._value)
        self._value = max(self._value, self._floor * self._peak)
        return self._value

    def reset(self) -> None:
        """Forget everything, e.g. when the source, the layer or the method changes."""
        self._value = self._peak = 0.0
