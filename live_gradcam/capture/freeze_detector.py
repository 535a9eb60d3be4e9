"""Detection of frozen and black images of a camera."""

from __future__ import annotations

import zlib

import numpy as np

from live_gradcam.values import Image

_FROZEN_SECONDS = 5.0
_LARGEST_PATIENCE_SECONDS = 60.0
_BLACK_SECONDS = 2.0
_BLACK_MEAN = 8.0
_BLACK_MAX = 24
_STRIDE = 8

BLACK = "the picture is black, is the lens covered?"
FROZEN = "the picture is frozen"


class FreezeDetector:
    """Detects frozen and black images from every 8th pixel of every 8th row.

    A sensor's noise makes two images differ, so an image that stays the same to the bit for 5 s
    means that the camera hangs. A still image from a virtual camera looks just the same: each
    restart that does not help doubles the time until the next, up to a minute.
    """

    def __init__(self) -> None:
        self._digest = 0
        self._same_since: float | None = None
        self._black_since: float | None = None
        self._patience = _FROZEN_SECONDS
        self._restart_at = _FROZEN_SECONDS
        self.warning = ""
        """Present defect of the images; empty where there is none."""

    def check(self, image: Image, now: float) -> bool:
        """Check the next image.

        Args:
            image: ``uint8 (H, W, 3)``.
            now: Monotonic seconds.

        Returns:
            ``True`` where the camera should be restarted.
        """
        sample = np.ascontiguousarray(image[_STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE])
        self.warning = ""
        if self._is_black(sample, now):
            # Behind a lens cap some cameras give the same zeros for ever: no reason to restart.
            self.warning = BLACK
            self._same_since = None
            return False
        digest = zlib.crc32(sample.data)
        if digest != self._digest or self._same_since is None:
            self._digest, self._same_since = digest, now
            self._patience = self._restart_at = _FROZEN_SECONDS
            return False
        same_for = now - self._same_since
        if same_for >= _FROZEN_SECONDS:
            self.warning = FROZEN
        if same_for < self._restart_at:
            return False
        self._patience = min(2 * self._patience, _LARGEST_PATIENCE_SECONDS)
        self._restart_at = same_for + self._patience
        return True

    def _is_black(self, sample: Image, now: float) -> bool:
        if sample.size == 0 or sample.max() > _BLACK_MAX or sample.mean() > _BLACK_MEAN:
            self._black_since = None
            return False
        if self._black_since is None:
            self._black_since = now
        return now - self._black_since >= _BLACK_SECONDS
