"""The newest picture as JPEG, encoded when somebody asks, once for all who do."""

from __future__ import annotations

import threading

from live_gradcam.air.newest import Newest
from live_gradcam.native import cv2
from live_gradcam.values import Image

_QUALITY = 85


class Pictures:
    """Pictures that follow one another; each receiver takes the newest, as a JPEG file.

    Whoever first asks for one encodes it, in a thread of the receiver's; while nobody watches,
    nothing is encoded.

    Args:
        quality: Of the JPEG files, 0 to 100.
    """

    def __init__(self, quality: int = _QUALITY) -> None:
        self._images: Newest[Image] = Newest()
        self._quality = quality
        self._encoding = threading.Lock()
        self._encoded = (0, b"")

    @property
    def ended(self) -> bool:
        """True if no picture will come any more."""
        return self._images.ended

    def put(self, image: Image) -> None:
        """Put a picture, ``uint8 (H, W, 3)`` BGR, in the place of the one before. Never waits.

        It must not be written to afterwards.
        """
        self._images.put(image)

    def after(self, number: int, timeout_seconds: float) -> tuple[int, bytes] | None:
        """Wait for a picture newer than the one of that number.

        Args:
            number: Of the last one taken; 0 before the first.
            timeout_seconds: Time to wait.

        Returns:
            Its number and its file; ``None`` if none came in time or none will come.
        """
        found = self._images.after(number, timeout_seconds)
        if found is None:
            return None
        with self._encoding:
            if self._encoded[0] < found[0]:
                good, data = cv2.imencode(
                    ".jpg", found[1], [cv2.IMWRITE_JPEG_QUALITY, self._quality]
                )
                assert good, "OpenCV writes JPEG"
                self._encoded = found[0], data.tobytes()
            return self._encoded

    def end(self) -> None:
        """Let all who wait return, now and later."""
        self._images.end()
