"""Type for images: strips of text that are rendered once and pasted many times.

OpenCV's own text knows ASCII only, so type is set by Pillow. Its bundled font covers plain Latin;
for everything else the system's fonts are searched, once. A character that no font has becomes its
unaccented letter where there is one, else the font's visible "missing glyph" box: never a crash,
never silence.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from live_gradcam.native import cv2
from live_gradcam.values import Image

_logger = logging.getLogger(__name__)

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red in 0..255."""

LINE_HEIGHT = 1.3
"""Height of a line of type in multiples of its size: room for accents and descenders."""

BASELINE = 0.98
"""Distance from the top of a line to the baseline in multiples of the type size."""

_ELLIPSIS = "…"
_PROBE_SIZE = 24
_MAX_FONT_FILES = 200

# Earlier is better; upright text faces first, then scripts, then symbols.
_PREFERRED_FONTS = """
    dejavusans, notosans-regular, liberationsans-regular, segoeui, arial, helveticaneue,
    notosanscjk-regular, notosansjp-regular, hiragino sans gb, pingfang, applesdgothicneo,
    arial unicode, yugothr, meiryo, msgothic, msyh, malgun, wqy-microhei, wqy-zenhei, ipag,
    ipagp, nanumgothic, droidsansfallbackfull,
    notosansarabic-regular, notosanshebrew-regular, notosansdevanagari-regular,
    notosansthai-regular, nirmala,
    notoemoji-regular, seguisym, apple symbols, symbola, unifont
"""
_UNWANTED = ("bold", "italic", "oblique", "light", "condensed", "narrow", "color", "mono", "thin")


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """An image with transparency, ready to be pasted.

    Attributes:
        ink: ``uint8 (h, w, 3)``, colour times coverage.
        keep: ``uint8 (h, w, 3)``, 255 where the background stays as it is.
    """

    ink: Image
    keep: Image

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.ink.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.ink.shape[0])


def make_strip(coverage: NDArray[np.uint8], colour: Colour, opacity: float = 1.0) -> Strip:
    """Make a strip of one colour from a ``uint8 (h, w)`` coverage mask."""
    weight = coverage.astype(np.float32)[..., None] * (opacity / 255.0)
    ink = np.rint(weight * np.array(colour, np.float32)).astype(np.uint8)
    keep = np.repeat(np.rint(255.0 * (1.0 - weight)).astype(np.uint8), 3, axis=2)
    ink.flags.writeable = keep.flags.writeable = False
    return Strip(ink, keep)


def paste(image: Image, strip: Strip, x: int, y: int) -> None:
    """Blend ``strip`` into ``image`` in place, its upper left corner at (x, y), clipped."""
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + strip.width, image.shape[1]), min(y + strip.height, image.shape[0])
    if left >= right or top >= bottom:
        return
    rows, columns = slice(top - y, bottom - y), slice(left - x, right - x)
    spot = image[top:bottom, left:right]
    cv2.multiply(spot, strip.keep[rows, columns], spot, 1.0 / 255.0)
    cv2.add(spot, strip.ink[rows, columns], spot)


# At 4K a strip takes a third of a megabyte: few enough to stay small, enough for one image's
# labels and the numbers that come again.
@lru_cache(maxsize=192)
def text_strip(text: str, size: int, colour: Colour) -> Strip:
    """Render ``text`` on one line of ``LINE_HEIGHT * size`` pixels; cached."""
    runs = _runs(clean(text))
    width = max(1, int(np.ceil(sum(_length(run, face, size) for run, face in runs))))
    canvas = PillowImage.new("L", (width, round(LINE_HEIGHT * size)))
    pen = ImageDraw.Draw(canvas)
    x = 0.0
    for run, face in runs:
        pen.text((x, BASELINE * size), run, fill=255, font=_font(face, size), anchor="ls")
        x += _length(run, face, size)
    return make_strip(np.asarray(canvas), colour)


@lru_cache(maxsize=1024)
def text_width(text: str, size: int) -> int:
    """Return the width of `text_strip` in pixels."""
    return max(1, int(np.ceil(sum(_length(run, face, size) for run, face in _runs(clean(text))))))


@lru_cache(maxsize=1024)
def fit_text(text: str, size: int, max_width: int) -> str:
    """Cut ``text`` and end it with an ellipsis where it is wider than ``max_width`` pixels.

    The empty string where not even the ellipsis fits.
    """
    text = clean(text)
    if text_width(text, size) <= max_width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_width(text[:middle].rstrip() + _ELLIPSIS, size) <= max_width:
            fits = middle
        else:
            too_long = middle
    if fits == 0:
        return _ELLIPSIS if text_width(_ELLIPSIS, size) <= max_width else ""
    return text[:fits].rstrip() + _ELLIPSIS


@lru_cache(maxsize=256)
def wrap_text(text: str, size: int, max_width: int) -> tuple[str, ...]:
    """Break ``text`` into as many lines as it needs within ``max_width`` pixels, between words.

    A word that is wider than that stands alone on a line that is too wide. A percent sign stays
    with its number.
    """
    lines: list[str] = []
    for word in re.split(r" (?!%)", clean(text)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= max_width:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def clean(text: str) -> str:
    """Put ``text`` on one line: control characters and line breaks become single spaces."""
    if text.isascii() and text.isprintable():
        return text
    kept = (
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") else char for char in text
    )
    return " ".join("".join(kept).split())


# A face is a font file, or None for the font that Pillow brings.
_Face: TypeAlias = Path | None


@lru_cache(maxsize=64)
def _font(face: _Face, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if face is None:
        return ImageFont.load_default(size)
    # From memory, so that no file stays open behind the scenes.
    return ImageFont.truetype(BytesIO(face.read_bytes()), size)


def _length(run: str, face: _Face, size: int) -> float:
    return float(_font(face, size).getlength(run))


@lru_cache(maxsize=1024)
def _runs(text: str) -> tuple[tuple[str, _Face], ...]:
    """Split ``text`` into pieces, each with a face that has its glyphs."""
    if not text or all(_bundled_has(char) for char in text):
        return ((text, None),) if text else ()
    # One face for the whole text looks better than a patchwork.
    whole = _face_for(frozenset(char for char in text if not char.isspace()))
    if whole is not None:
        return ((text, whole),)
    runs: list[tuple[str, _Face]] = []
    for char in text:
        joins = unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")
        if runs and (joins or char.isspace()):
            face = runs[-1][1]
        elif _bundled_has(char):
            face = None
        else:
            face = _face_for(frozenset(char))
            if face is None:
                char = _plain(char)
        if runs and runs[-1][1] == face:
            runs[-1] = (runs[-1][0] + char, face)
        else:
            runs.append((char, face))
    return tuple(runs)


def _plain(char: str) -> str:
    """Return the unaccented letter where the bundled font has it, else ``char`` (a visible box)."""
    base = unicodedata.normalize("NFKD", char)[0]
    return base if _bundled_has(base) else char


@lru_cache(maxsize=4096)
def _bundled_has(char: str) -> bool:
    return char.isspace() or _has_glyph(_font(None, _PROBE_SIZE), char)


def _has_glyph(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, char: str) -> bool:
    # No cmap in Pillow's interface: a missing character is drawn like one that cannot exist.
    glyph, missing = font.getmask(char), font.getmask("\U0010fffe")
    return glyph.size != missing.size or bytes(glyph) != bytes(missing)


_search_lock = threading.Lock()


@lru_cache(maxsize=1024)
def _face_for(chars: frozenset[str]) -> Path | None:
    """Return the best system font that has all of ``chars``."""
    visible = [c for c in chars if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Zs")]
    with _search_lock:
        for path in _font_files():
            if all(_file_has(path, char) for char in visible):
                return path
    _logger.debug("no font has all of %s", "".join(sorted(chars)))
    return None


@lru_cache(maxsize=16384)
def _file_has(path: Path, char: str) -> bool:
    font = _probe_font(path)
    try:
        return font is not None and _has_glyph(font, char)
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=8)
def _probe_font(path: Path) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(BytesIO(path.read_bytes()), _PROBE_SIZE)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _font_files() -> tuple[Path, ...]:
    """List the font files of the system, best first."""
    found: list[Path] = []
    for folder in _font_folders():
        for root, _, names in os.walk(folder):
            found += [Path(root, n) for n in names if n.lower().endswith((".ttf", ".otf", ".ttc"))]

    preferred = [name.strip() for name in _PREFERRED_FONTS.split(",")]

    def rank(path: Path) -> tuple[int, bool, str]:
        stem = path.stem.lower()
        place = preferred.index(stem) if stem in preferred else len(preferred)
        return place, any(word in stem for word in _UNWANTED), str(path)

    return tuple(sorted(found, key=rank)[:_MAX_FONT_FILES])


def _font_folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "win32":
        windows = os.environ.get("WINDIR", r"C:\Windows")
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData/Local"))
        return [Path(windows, "Fonts"), Path(local, "Microsoft/Windows/Fonts")]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    shares = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [Path(share, "fonts") for share in shares.split(":") if share]
    return [*folders, home / ".local/share/fonts", home / ".fonts"]
