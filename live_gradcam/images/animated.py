"""Animated pictures: which files are, and their frames with Pillow."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as Pillow

from live_gradcam.errors import SourceError
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.read import FORMATS, image_cause, pillow_to_bgr, quiet_pillow
from live_gradcam.images.sniff import cannot_open
from live_gradcam.values import Image

_ANIMATED = frozenset(["GIF", "PNG", "WEBP", "AVIF"])
# Browsers show a frame that asks for less for a tenth of a second.
_SHORTEST_MILLISECONDS = 11
_INSTEAD = 100


def is_animated(path: Path, format_name: str) -> bool:
    """Return whether a picture has more than one frame.

    Args:
        path: The picture.
        format_name: Pillow's name for its format.
    """
    if format_name not in _ANIMATED:
        return False
    try:
        with quiet_pillow(), Pillow.open(path, formats=FORMATS) as image:
            width, height = image.size
            return width * height <= MAX_PIXELS and getattr(image, "n_frames", 1) > 1
    except Exception:  # Pillow's decoders let through whatever a broken file provokes in them
        return False


class Animation:
    """An open animated picture.

    Args:
        pillow_image: The picture, closed with this.
        where: Its path for messages.
    """

    def __init__(self, pillow_image: Pillow.Image, where: str) -> None:
        self._image = pillow_image
        self._where = where
        self.frame_count: int = getattr(pillow_image, "n_frames", 1)
        """Number of frames."""

    def frame(self, number: int) -> tuple[Image, int]:
        """Decode a frame.

        Returns:
            ``uint8 (H, W, 3)`` BGR, on white where it is transparent, and how many milliseconds it
            is shown.

        Raises:
            SourceError: It is broken.
        """
        try:
            with quiet_pillow():
                self._image.seek(number)
                self._image.load()
            image = pillow_to_bgr(self._image, self._where).image
            duration = round(float(self._image.info.get("duration", 0)))
        except Exception as exc:  # as in `is_animated`
            cause = image_cause(exc, self._image.format or "image")
            raise SourceError(
                "cannot read video", self._where, f"{cause}, in frame {number}"
            ) from exc
        return image, duration if duration >= _SHORTEST_MILLISECONDS else _INSTEAD

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._image.close()


def open_animation(path: Path) -> Animation:
    """Open an animated picture.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise cannot_open(path, exc) from exc
    try:
        with quiet_pillow():
            return Animation(Pillow.open(io.BytesIO(data), formats=FORMATS), str(path))
    except Exception as exc:
        raise SourceError("cannot open video", str(path), image_cause(exc, "image")) from exc
