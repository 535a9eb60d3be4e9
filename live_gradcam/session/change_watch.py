"""Whether something changes in front of a camera: an eye for people, not for noise or daylight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Image

# Small enough for a sensor's noise to average out, large enough for a hand to be seen.
_WIDTH, _HEIGHT = 32, 24
# A cell has changed by this many grey levels more than the whole image has ...
_LEVELS = 7.0
# ... and the scene where this share of the cells has.
_SHARE = 0.015
# What is compared with follows the image by this share in a second: daylight changes slowly.
_FOLLOW_PER_SECOND = 0.05


class ChangeWatch:
    """Says how long a scene has stood still.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: NDArray[np.float32] | None = None
        self._looked = self._changed = clock()

    @property
    def still_seconds(self) -> float:
        """Seconds since the last change, or since the beginning."""
        return self._clock() - self._changed

    def touch(self) -> None:
        """Count something else as a change, e.g. a key."""
        self._changed = self._clock()

    def look(self, image: Image) -> bool:
        """Look at the next image and return ``True`` if the scene has changed.

        A change of light as a whole is none.

        Args:
            image: ``uint8 (H, W, 3)`` BGR.
        """
        now = self._clock()
        small = cv2.resize(image, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        seen = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
        seconds, self._looked = now - self._looked, now
        if self._known is None:
            self._known = seen
            return False
        difference = seen - self._known
        difference -= np.median(difference)
        if float((np.abs(difference) > _LEVELS).mean()) > _SHARE:
            self._known, self._changed = seen, now
            return True
        self._known += np.float32(min(1.0, _FOLLOW_PER_SECOND * seconds)) * (seen - self._known)
        return False
