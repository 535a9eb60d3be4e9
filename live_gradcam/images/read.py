"""Image files become arrays: `read_image`, and `load_image` with notes.

This is the only way an image file enters the program, so that a bomb, a 16-bit scan, a print
file in CMYK and a telephone's rotated photograph are treated the same everywhere.

Pillow decodes: on real photographs ``cv2.imdecode`` gives the same pixels and is 15 % faster, but
writes its complaints to stderr and cannot tell a truncated JPEG from a whole one.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from PIL import Image as Pillow

from live_gradcam.errors import SourceError
from live_gradcam.images.pixels import MAX_PIXELS, over_white, turn
from live_gradcam.images.sniff import Sniffed, cannot_open, sniff, sniff_bytes
from live_gradcam.native import cv2
from live_gradcam.values import Image

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION = 0x0112
_MAX_BYTES = 512 * 1024 * 1024
_logger = logging.getLogger(__name__)
# warnings.catch_warnings changes global state and is not safe in several threads at once.
_pillow_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """A decoded image, and notes about it.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR, upright, C-contiguous.
        notes: One sentence for each thing that was left out or changed.
    """

    image: Image
    notes: tuple[str, ...] = ()


def read_image(source: str | Path | bytes | BinaryIO) -> Image:
    """Read an image file as it should be seen.

    16-bit values are scaled to 8 bits, CMYK and palettes are converted, transparent parts lie on
    white, EXIF rotation is applied, and of an animation the first image is taken.

    Args:
        source: A path, the bytes of an image file, or a binary file object.

    Returns:
        ``uint8 (H, W, 3)``, BGR.

    Raises:
        SourceError: The image is missing, broken, truncated, of an unknown format, or has more
            than `MAX_PIXELS` pixels.
    """
    loaded = load_image(source)
    for note in loaded.notes:
        _logger.info(note)
    return loaded.image


def load_image(source: str | Path | bytes | BinaryIO) -> LoadedImage:
    """Read an image file as `read_image` does, and keep the notes.

    Raises:
        SourceError: As for `read_image`.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        verdict, where = sniff(path), str(path)
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise SourceError("cannot read picture", where, "the file is larger than 512 MB")
            data = path.read_bytes() if verdict.content == "image" else b""
        except OSError as exc:
            raise cannot_open(path, exc) from exc
    else:
        data = source if isinstance(source, bytes) else source.read()
        where = str(getattr(source, "name", "picture in memory"))
        verdict = sniff_bytes(data[:4096])
    if verdict.content != "image":
        raise _not_an_image(where, verdict)
    return _decode(data, where, verdict.format)


def _not_an_image(where: str, verdict: Sniffed) -> SourceError:
    cause = verdict.description or "the file is a video"
    return SourceError("cannot read picture", where, cause, "Use JPEG, PNG, WebP, TIFF or BMP")


def _decode(data: bytes, where: str, format_name: str) -> LoadedImage:
    try:
        with _quiet():
            pillow_image = Pillow.open(io.BytesIO(data), formats=_FORMATS)
        with pillow_image:
            width, height = pillow_image.size
            if width * height > MAX_PIXELS:
                raise SourceError(
                    "cannot read picture",
                    where,
                    f"{width}x{height} has more than {MAX_PIXELS // 1_000_000} megapixels",
                    "Scale it down first",
                )
            # Only the TIFF reader has warnings left to give while it decodes.
            with _quiet() if format_name == "TIFF" else nullcontext():
                animated = (
                    bool(getattr(pillow_image, "is_animated", False))
                    and pillow_image.format != "MPO"
                )
                pillow_image.load()
            image = _to_bgr(pillow_image)
            # Only now: asking a PNG for its EXIF block decodes the whole image.
            with _quiet():
                orientation = _orientation(pillow_image)
            image = turn(image, orientation)
    except SourceError:
        raise
    except PIL.UnidentifiedImageError as exc:
        raise SourceError(
            "cannot read picture", where, f"the {format_name} file is damaged or not supported"
        ) from exc
    except Exception as exc:
        # Pillow's decoders let through whatever a broken file provokes in them: OSError,
        # SyntaxError, ValueError, struct.error, IndexError, MemoryError, ...
        raise SourceError("cannot read picture", where, _cause(exc, format_name)) from exc
    kept = f"{where} is animated; its first picture is shown"
    return LoadedImage(image, (kept,) if animated else ())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd headers; what matters is raised or noted here."""
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cause(exc: Exception, format_name: str) -> str:
    text = str(exc)
    if "truncated" in text.lower() or isinstance(exc, EOFError):
        return f"the {format_name} file is truncated"
    if isinstance(exc, Pillow.DecompressionBombError):
        return f"the picture has more than {MAX_PIXELS // 1_000_000} megapixels"
    return f"the {format_name} file is damaged" + (f" ({text})" if text else "")


def _orientation(pillow_image: Pillow.Image) -> int:
    try:
        value = pillow_image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _to_bgr(pillow_image: Pillow.Image) -> Image:
    mode = pillow_image.mode
    if mode.startswith(("I", "F")):
        grey = _scale_to_8_bits(np.asarray(pillow_image))
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if mode == "L" and "transparency" not in pillow_image.info:
        return cv2.cvtColor(np.asarray(pillow_image), cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in pillow_image.info:
        rgba = np.asarray(pillow_image.convert("RGBA"))
        return cv2.cvtColor(over_white(rgba), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]
    if mode != "RGB":
        pillow_image = pillow_image.convert("RGB")
    return cv2.cvtColor(np.asarray(pillow_image), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]


def _scale_to_8_bits(values: np.ndarray) -> Image:
    """Scale grey values of more than 8 bits to ``uint8``: 16 bits by 257, others by their range."""
    if values.dtype == np.uint16 or (
        values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= 65535
    ):
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    spread = (high - low) or 1.0
    return np.rint((numbers - low) / spread * 255).astype(np.uint8)
