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

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of the formats that are read."""

_ORIENTATION = 0x0112
_TIFF_BITS = 258
_SIXTEEN_BITS = 65535
_WHITES = (255, 1023, 4095, 16383, _SIXTEEN_BITS)
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


def load_image(source: str | Path | bytes | BinaryIO, *, where: str = "") -> LoadedImage:
    """Read an image file as `read_image` does, and keep the notes.

    Args:
        source: As for `read_image`.
        where: Name of what is in memory, for messages; the file object's own if empty.

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
        where = where or str(getattr(source, "name", "picture in memory"))
        verdict = sniff_bytes(data[:4096])
    if verdict.content != "image":
        raise _not_an_image(where, verdict)
    return _decode(data, where, verdict.format)


def _not_an_image(where: str, verdict: Sniffed) -> SourceError:
    if verdict.content == "video":
        step = "Open it with live-gradcam run or lg.open_source"
        return SourceError("cannot read picture", where, "the file is a video", step)
    cause, step = verdict.description, "Use JPEG, PNG, WebP, TIFF or BMP"
    return SourceError("cannot read picture", where, cause, step)


def _decode(data: bytes, where: str, format_name: str) -> LoadedImage:
    try:
        with quiet_pillow():
            pillow_image = Pillow.open(io.BytesIO(data), formats=FORMATS)
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
            with quiet_pillow() if format_name == "TIFF" else nullcontext():
                animated = (
                    bool(getattr(pillow_image, "is_animated", False))
                    and pillow_image.format != "MPO"
                )
                pillow_image.load()
            loaded = _sixteen_bits(pillow_image, data, where) or pillow_to_bgr(pillow_image, where)
            # Only now: asking a PNG for its EXIF block decodes the whole image.
            with quiet_pillow():
                orientation = _orientation(pillow_image)
            image = turn(loaded.image, orientation)
    except SourceError:
        raise
    except PIL.UnidentifiedImageError as exc:
        raise SourceError(
            "cannot read picture", where, f"the {format_name} file is damaged or not supported"
        ) from exc
    except Exception as exc:
        # Pillow's decoders let through whatever a broken file provokes in them: OSError,
        # SyntaxError, ValueError, struct.error, IndexError, MemoryError, ...
        raise SourceError("cannot read picture", where, image_cause(exc, format_name)) from exc
    kept = f"{where} is animated; its first picture is shown"
    return LoadedImage(image, (*loaded.notes, kept) if animated else loaded.notes)


def from_pillow(pillow_image: Pillow.Image) -> LoadedImage:
    """Convert an image of Pillow as its file would be read: upright, on white, scaled to 8 bits.

    Args:
        pillow_image: Of any mode.
    """
    loaded = pillow_to_bgr(pillow_image, "PIL image")
    return LoadedImage(turn(loaded.image, _orientation(pillow_image)), loaded.notes)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings about odd headers; what matters is raised or noted here."""
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def image_cause(exc: Exception, format_name: str) -> str:
    """Say why Pillow could not decode a picture."""
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


def pillow_to_bgr(pillow_image: Pillow.Image, where: str) -> LoadedImage:
    """Convert an image of Pillow, of any mode, as it lies.

    Args:
        pillow_image: The image.
        where: Its name for notes.
    """
    mode = pillow_image.mode
    if mode.startswith(("I", "F")):
        levels = to_levels(np.asarray(pillow_image), where)
        return LoadedImage(_bgr(cv2.cvtColor(levels.image, cv2.COLOR_GRAY2BGR)), levels.notes)
    transparent = "transparency" in pillow_image.info
    if mode == "L" and not transparent:
        return LoadedImage(_bgr(cv2.cvtColor(np.asarray(pillow_image), cv2.COLOR_GRAY2BGR)))
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or transparent:
        rgba = np.asarray(_as_rgba(pillow_image))
        return LoadedImage(_bgr(cv2.cvtColor(over_white(rgba), cv2.COLOR_RGB2BGR)))
    if mode != "RGB":
        pillow_image = pillow_image.convert("RGB")
    return LoadedImage(_bgr(cv2.cvtColor(np.asarray(pillow_image), cv2.COLOR_RGB2BGR)))


def _as_rgba(pillow_image: Pillow.Image) -> Pillow.Image:
    if pillow_image.mode == "La":
        pillow_image = pillow_image.convert("LA")
    return pillow_image.convert("RGBA")


def _sixteen_bits(pillow_image: Pillow.Image, data: bytes, where: str) -> LoadedImage | None:
    """Read a picture of 16 bits a channel, of which Pillow drops the lower eight; else ``None``."""
    if pillow_image.format == "PNG":
        # Bits per channel, and the colour type: grey and palettes reach us whole.
        if data[24] != 16 or data[25] not in (2, 4, 6) or pillow_image.mode.startswith("I"):
            return None
    elif pillow_image.format == "TIFF":
        bits = getattr(pillow_image, "tag_v2", {}).get(_TIFF_BITS)
        if pillow_image.mode not in ("RGB", "RGBA") or bits is None or set(bits) != {16}:
            return None
    else:
        return None
    pixels = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    levels = sixteen_bits_to_levels(pixels, where)
    return LoadedImage(over_white(levels.image), levels.notes) if pixels.shape[2] == 4 else levels


def sixteen_bits_to_levels(pixels: np.ndarray, where: str) -> LoadedImage:
    """Scale pixels of 16 bits as `to_levels`; alpha, which is of 16 bits always, by itself.

    Args:
        pixels: ``uint16``, of a picture's shape; of four channels the last is alpha.
        where: As for `to_levels`.
    """
    if pixels.ndim < 3 or pixels.shape[2] != 4:
        return to_levels(pixels, where)
    colours, alpha = to_levels(pixels[..., :3], where), _high_bytes(pixels[..., 3:])
    return LoadedImage(np.concatenate([colours.image, alpha], axis=2), colours.notes)


def to_levels(values: np.ndarray, where: str) -> LoadedImage:
    """Scale values of more than 8 bits to ``uint8``.

    Whole numbers up to 65535 are taken for the smallest of 8, 10, 12, 14 and 16 bits that holds
    them all, since cameras store 10, 12 and 14 bits in files of 16; fractions up to 1 for 0..1, up
    to 255 for 0..255; anything else by its own range.

    Args:
        values: Of any shape and number type.
        where: The picture's name for notes.

    Returns:
        ``uint8`` of the same shape, and a note where the range is a guess.
    """
    if not values.size:
        return LoadedImage(values.astype(np.uint8))
    if values.dtype.kind in "iub":
        low, high = int(values.min()), int(values.max())
        if low >= 0 and high <= _SIXTEEN_BITS:
            white = next(limit for limit in _WHITES if high <= limit)
            if not high or white == _SIXTEEN_BITS:
                return LoadedImage(_high_bytes(values))
            scaled = (values.astype(np.uint32) * 255 + white // 2) // white
            guess = f"no value is above {high}, so {white} is taken for white"
            return LoadedImage(scaled.astype(np.uint8), (f"{where}: {guess}",))
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    darkest, brightest = float(numbers.min()), float(numbers.max())
    notes: tuple[str, ...] = ()
    if darkest >= 0.0 and brightest <= 1.0:
        darkest, brightest = 0.0, 1.0
    elif darkest >= 0.0 and brightest <= 255.0:
        darkest, brightest = 0.0, 255.0
        notes = (f"{where}: its values are fractions above 1, so 255 is taken for white",)
    else:
        notes = (
            f"{where}: its values go from {darkest:g} to {brightest:g}, which are taken for black "
            "and white",
        )
    spread = (brightest - darkest) or 1.0
    return LoadedImage(np.rint((numbers - darkest) / spread * 255).astype(np.uint8), notes)


def _high_bytes(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _bgr(image: object) -> Image:
    return np.asarray(image, np.uint8)
