"""Pictures: one, a folder, or the matches of a pattern.

`read_image` is the only way a picture enters the program, so that a bomb, a 16-bit scan, a print
file in CMYK and a telephone's rotated photograph are treated the same everywhere.

Pillow decodes: on real photographs ``cv2.imdecode`` gives the same pixels and is 15 % faster, but
writes its complaints to stderr and cannot tell a truncated JPEG from a whole one.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import path as os_path
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from PIL import Image as Pillow

from live_gradcam.capture.pixels import MAX_PIXELS, over_white, turn
from live_gradcam.capture.sniff import Sniffed, cannot_open, read_head, sniff, sniff_bytes
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from live_gradcam.values import Frame, Image, SourceInfo

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .gif .bmp .dib .webp .tif .tiff .ppm .pgm .pbm .pnm "
    ".jp2 .j2k .avif".split()
)
_ORIENTATION = 0x0112
_logger = logging.getLogger(__name__)
# warnings.catch_warnings changes global state and is not safe in several threads at once.
_pillow_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture and what there is to say about it.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR, upright, C-contiguous.
        notes: One sentence for each thing that was left out or changed.
    """

    image: Image
    notes: tuple[str, ...] = ()


def read_image(source: str | Path | bytes | BinaryIO) -> Image:
    """Read a picture as it should be seen.

    16-bit values are scaled to 8 bits, CMYK and palettes are converted, transparent parts lie on
    white, EXIF rotation is applied, and of an animation the first picture is taken.

    Args:
        source: A path, the bytes of a picture file, or a binary file object.

    Returns:
        ``uint8 (H, W, 3)``, BGR.

    Raises:
        SourceError: The picture is missing, broken, truncated, of an unknown format, or has more
            than `MAX_PIXELS` pixels.
    """
    picture = load_picture(source)
    for note in picture.notes:
        _logger.info(note)
    return picture.image


def load_picture(source: str | Path | bytes | BinaryIO) -> Picture:
    """As `read_image`, with the notes beside the picture.

    Raises:
        SourceError: As for `read_image`.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        verdict, where = sniff(path), str(path)
        try:
            data = path.read_bytes() if verdict.content == "picture" else b""
        except OSError as exc:
            raise cannot_open(path, exc) from exc
    else:
        data = source if isinstance(source, bytes) else source.read()
        where = str(getattr(source, "name", "picture in memory"))
        verdict = sniff_bytes(data[:4096])
    if verdict.content != "picture":
        raise _not_a_picture(where, verdict)
    return _decode(data, where, verdict.format)


def _not_a_picture(where: str, verdict: Sniffed) -> SourceError:
    cause = verdict.description or "the file is a video"
    return SourceError("cannot read picture", where, cause, "Use JPEG, PNG, WebP, TIFF or BMP")


def _decode(data: bytes, where: str, format_name: str) -> Picture:
    try:
        with _pillow_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Pillow.open(io.BytesIO(data), formats=_FORMATS)
            orientation = _orientation(picture)
        with picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise SourceError(
                    "cannot read picture",
                    where,
                    f"{width}x{height} has more than {MAX_PIXELS // 1_000_000} megapixels",
                    "Scale it down first",
                )
            animated = bool(getattr(picture, "is_animated", False)) and picture.format != "MPO"
            picture.load()
            image = turn(_to_bgr(picture), orientation)
    except SourceError:
        raise
    except PIL.UnidentifiedImageError as exc:
        raise SourceError(
            "cannot read picture", where, f"the {format_name} file is damaged or not supported"
        ) from exc
    except MemoryError:
        raise
    except Exception as exc:
        # Pillow's decoders let through whatever a broken file provokes in them: OSError,
        # SyntaxError, ValueError, struct.error, IndexError, ...
        raise SourceError("cannot read picture", where, _cause(exc, format_name)) from exc
    kept = f"{where} is animated; its first picture is shown"
    return Picture(image, (kept,) if animated else ())


def _cause(exc: Exception, format_name: str) -> str:
    text = str(exc)
    if "truncated" in text.lower() or isinstance(exc, EOFError):
        return f"the {format_name} file is truncated"
    if isinstance(exc, Pillow.DecompressionBombError):
        return f"the picture has more than {MAX_PIXELS // 1_000_000} megapixels"
    return f"the {format_name} file is damaged" + (f" ({text})" if text else "")


def _orientation(picture: Pillow.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block does not make the picture unreadable
        return 1
    return value if isinstance(value, int) else 1


def _to_bgr(picture: Pillow.Image) -> Image:
    mode = picture.mode
    if mode.startswith(("I", "F")):
        grey = _scale_to_8_bits(np.asarray(picture))
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if mode == "L" and "transparency" not in picture.info:
        return cv2.cvtColor(np.asarray(picture), cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"))
        return cv2.cvtColor(over_white(rgba), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]
    if mode != "RGB":
        picture = picture.convert("RGB")
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]


def _scale_to_8_bits(values: np.ndarray) -> Image:
    """Grey values of more than 8 bits to ``uint8``: 16 bits by 257, others by their own range."""
    if values.dtype == np.uint16 or (
        values.dtype.kind in "iu" and values.size and 0 <= values.min() and values.max() <= 65535
    ):
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind == "f" and 0.0 <= low and high <= 1.0:
        low, high = 0.0, 1.0
    spread = (high - low) or 1.0
    return np.rint((numbers - low) / spread * 255).astype(np.uint8)


def is_picture_file(path: Path) -> bool:
    """Whether a file of a folder is meant to be a picture, even if it turns out to be broken."""
    if path.name.startswith(".") or not path.is_file():
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        return sniff_bytes(read_head(path)).content == "picture"
    except SourceError:
        return False


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sorts ``p2.png`` before ``p10.png``, folder by folder, whatever the case of the letters."""
    parts = re.split(r"(\d+)", path.as_posix().casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


class ImagesSource(Source):
    """Pictures, one frame each, in the order given.

    Broken pictures are left out, counted in `skipped` and noted; if not one can be read, or the
    only one is broken, opening fails. Frames keep their own sizes.

    Args:
        paths: The pictures; must not be empty.
        name: What the whole is called; the file's name for a single picture.
        root: Frames of several files are named relative to this folder, so that names are unique.
        fps: Pictures per second for the frames' times; 1 where ``None``.
        loop: Begin again after the last picture.
        strict: A broken picture is an error.
        on_notice: Told each note when it arises.

    Raises:
        SourceError: No picture can be read, or one cannot and ``strict`` is set.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        name: str = "",
        root: Path | None = None,
        fps: float | None = None,
        loop: bool = False,
        strict: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        if not paths:
            raise SourceError("cannot open pictures", name, "there are none")
        self._paths = tuple(paths)
        self._root = root or Path(os_path.commonpath([path.parent for path in self._paths]))
        self._rate = fps or 1.0
        self._loop = loop
        self._strict = strict or len(self._paths) == 1
        self._on_notice = on_notice
        self._notes: list[str] = []
        self._skipped = 0
        self._delivered = 0
        self._next_path = 0
        self._closed = False
        self._lock = threading.Lock()
        self._waiting = self._decode_next()
        if self._waiting is None:
            raise SourceError(
                "cannot open pictures",
                name,
                f"none of the {len(self._paths)} pictures can be read",
            )
        height, width = self._waiting.image.shape[:2]
        self._info = SourceInfo(
            name=name or self._paths[0].name,
            kind="pictures",
            live=False,
            width=width,
            height=height,
            fps=fps,
            frame_count=None if loop else len(self._paths),
            several_files=len(self._paths) > 1,
        )

    @property
    def info(self) -> SourceInfo:
        """What is known about the source; width and height are those of the first picture."""
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each picture that was left out or changed."""
        return tuple(self._notes)

    @property
    def skipped(self) -> int:
        """How many pictures could not be read so far."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield every picture that is left.

        Raises:
            SourceError: A picture is broken and ``strict`` is set.
        """
        while True:
            with self._lock:
                if self._closed:
                    return
                frame, self._waiting = self._waiting or self._decode_next(), None
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """End the iteration. Idempotent."""
        with self._lock:
            self._closed = True
            self._waiting = None

    def _decode_next(self) -> Frame | None:
        # A whole round without a good picture is the end, so that a loop cannot go round for ever.
        for _ in range(len(self._paths)):
            if self._next_path == len(self._paths):
                if not self._loop:
                    return None
                self._next_path = 0
            path = self._paths[self._next_path]
            self._next_path += 1
            try:
                picture = load_picture(path)
            except SourceError as exc:
                if self._strict:
                    raise
                self._skipped += 1
                self._note(f"left out: {exc}")
                continue
            for note in picture.notes:
                self._note(note)
            index, self._delivered = self._delivered, self._delivered + 1
            return Frame(picture.image, index, index / self._rate, self._frame_name(path))
        return None

    def _frame_name(self, path: Path) -> str:
        if len(self._paths) == 1:
            return path.name
        return Path(os_path.relpath(path, self._root)).as_posix()

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)
            if self._on_notice is not None:
                self._on_notice(sentence)
