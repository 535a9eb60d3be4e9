"""Faces for every script: the font that Pillow brings, the system's, and the one in OpenCV 5.

Pillow's font covers plain Latin. For everything else the system's fonts are searched, once, and
after them the font that OpenCV 5 brings, which knows Chinese, Japanese and Korean. A character that
no font has becomes its unaccented letter where there is one, else the font's visible "missing
glyph" box: never a crash, never silence.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from live_gradcam.native import cv2

_logger = logging.getLogger(__name__)

Face: TypeAlias = Path | Literal["pillow", "opencv"]
"""A font file, or the font that a library brings."""

Run: TypeAlias = tuple[str, Face]
"""A piece of text, and the face that has all of its glyphs."""

_PROBE_SIZE = 24
_MAX_FONT_FILES = 200
_MISSING = "\U0010fffe"  # no font has it: it is drawn as what is missing

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


def draw_runs(
    runs: Sequence[Run], size: int, width: int, height: int, baseline: float
) -> NDArray[np.uint8]:
    """Draw pieces of text one after the other.

    Returns:
        ``uint8 (height, width)`` coverage.
    """
    canvas = PillowImage.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    others: list[tuple[str, float]] = []
    x = 0.0
    for run, face in runs:
        if face == "opencv":
            others.append((run, x))
        else:
            pen.text((x, baseline), run, fill=255, font=_font(face, size), anchor="ls")
        x += run_length(run, face, size)
    coverage = np.array(canvas)
    for run, left in others:
        _opencv_text(coverage, run, round(left), round(baseline), size)
    return coverage


def run_length(run: str, face: Face, size: int) -> float:
    """Return the width of a piece of text in pixels."""
    if face == "opencv":
        return float(_opencv_text(np.zeros((1, 1), np.uint8), run, 0, 0, size))
    return float(_font(face, size).getlength(run))


@lru_cache(maxsize=64)
def _font(face: Face, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if not isinstance(face, Path):
        return ImageFont.load_default(size)
    # From memory, so that no file stays open behind the scenes.
    return ImageFont.truetype(BytesIO(face.read_bytes()), size)


_opencv_lock = threading.Lock()


@lru_cache(maxsize=1)
def _opencv_font() -> Any | None:  # noqa: ANN401
    """OpenCV's font for all scripts; ``None`` before OpenCV 5."""
    made = getattr(cv2, "FontFace", None)
    return made("uni") if made is not None else None


def _opencv_text(coverage: NDArray[np.uint8], text: str, x: int, y: int, size: int) -> int:
    """Draw ``text`` from (x, y) on the baseline and return where it ends."""
    write: Any = cv2.putText  # the signature with a font is not in every version's stubs
    with _opencv_lock:
        end, _ = write(coverage, text, (x, y), 255, _opencv_font(), size, 0)
    return int(end[0])


@lru_cache(maxsize=1024)
def split_runs(text: str) -> tuple[Run, ...]:
    """Split ``text`` into pieces, each with a face that has its glyphs."""
    if not text or all(_bundled_has(char) for char in text):
        return ((text, "pillow"),) if text else ()
    # One face for the whole text looks better than a patchwork, unless only signs are missing.
    missing = [char for char in text if not _bundled_has(char)]
    if not all(unicodedata.category(char)[0] in "SP" for char in missing):
        whole = _face_for(frozenset(char for char in text if not char.isspace()))
        if whole is not None:
            return ((text, whole),)
    runs: list[Run] = []
    for char in text:
        joins = unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")
        if runs and (joins or char.isspace()):
            face = runs[-1][1]
        elif _bundled_has(char):
            face = "pillow"
        else:
            found = _face_for(frozenset(char))
            face = found or "pillow"
            if found is None:
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
    return char.isspace() or _has_glyph(_font("pillow", _PROBE_SIZE), char)


def _has_glyph(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, char: str) -> bool:
    # No cmap in Pillow's interface: a missing character is drawn like one that cannot exist.
    glyph, missing = font.getmask(char), font.getmask(_MISSING)
    return glyph.size != missing.size or bytes(glyph) != bytes(missing)


_search_lock = threading.Lock()


@lru_cache(maxsize=1024)
def _face_for(chars: frozenset[str]) -> Face | None:
    """Return the best font beside Pillow's that has all of ``chars``."""
    visible = [c for c in chars if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Zs")]
    with _search_lock:
        for path in _font_files():
            if all(_file_has(path, char) for char in visible):
                return path
    if visible and all(_opencv_has(char) for char in visible):
        return "opencv"
    _logger.debug("no font has all of %s", "".join(sorted(chars)))
    return None


@lru_cache(maxsize=16384)
def _file_has(path: Path, char: str) -> bool:
    font = _probe_font(path)
    try:
        return font is not None and _has_glyph(font, char)
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=4096)
def _opencv_has(char: str) -> bool:
    if _opencv_font() is None:
        return False
    glyph, missing = (np.zeros((2 * _PROBE_SIZE,) * 2, np.uint8) for _ in range(2))
    for coverage, text in ((glyph, char), (missing, _MISSING)):
        _opencv_text(coverage, text, 2, _PROBE_SIZE, _PROBE_SIZE)
    return bool((glyph != missing).any())


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
