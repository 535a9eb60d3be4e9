"""Images as a source: one, a folder, or the matches of a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from os import path as os_path
from pathlib import Path

from typing_extensions import override

from live_gradcam.capture.one_by_one import OneByOneSource
from live_gradcam.errors import SourceError
from live_gradcam.images.geometry import letterbox
from live_gradcam.images.read import LoadedImage, load_image
from live_gradcam.images.sniff import read_head, sniff_bytes
from live_gradcam.values import Frame, Image, SourceInfo

FILM_FPS = 25.0
"""Rate of a film made of numbered pictures, as FFmpeg has it."""

_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
    ]
)


def is_image_file(path: Path) -> bool:
    """Return whether a file is meant to be an image, even if it turns out to be broken."""
    if path.name.startswith(".") or not path.is_file():
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        return sniff_bytes(read_head(path)).content == "image"
    except SourceError:
        return False


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts ``p2.png`` before ``p10.png``, folder by folder, in any case."""
    parts = re.split(r"(\d+)", path.as_posix().casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


class ImagesSource(OneByOneSource):
    """Images, one frame each, in the order given.

    Broken images are left out, counted in `skipped` and noted; if not one can be read, or the
    only one is broken, opening fails. Frames keep their own sizes, unless they are a film.

    Args:
        paths: The images; must not be empty.
        name: Of the whole; the file's name for a single image.
        root: Frames of several files are named relative to this folder, so that names are unique.
        fps: Images per second for the frames' times; 1 where ``None``, 25 for a film.
        film: They are the frames of one film: letterboxed to the first one's size.
        loop: Begin again after the last image.
        strict: A broken image is an error.
        on_notice: Told each note when it arises.
        read: Decodes an image.

    Raises:
        SourceError: No image can be read, or one cannot and ``strict`` is set.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        name: str = "",
        root: Path | None = None,
        fps: float | None = None,
        film: bool = False,
        loop: bool = False,
        strict: bool = False,
        on_notice: Callable[[str], None] | None = None,
        read: Callable[[Path], LoadedImage] = load_image,
    ) -> None:
        if not paths:
            raise SourceError("cannot open pictures", name, "there are none")
        super().__init__(on_notice)
        self._paths = tuple(paths)
        self._root = root or Path(os_path.commonpath([path.parent for path in self._paths]))
        if film and fps is None:
            fps = FILM_FPS
        self._name = name
        self._film = film
        self._read = read
        self._rate = fps or 1.0
        self._loop = loop
        self._strict = strict or len(self._paths) == 1
        self._next_path = 0
        self._size: tuple[int, int] | None = None
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
            kind="video" if film else "pictures",
            live=False,
            width=width,
            height=height,
            fps=fps,
            frame_count=None if loop else len(self._paths),
            time_base=1 / Fraction(fps).limit_denominator(100_000) if film and fps else None,
            duration_seconds=len(self._paths) / fps if film and fps and not loop else None,
            several_files=len(self._paths) > 1 and not film,
        )

    @override
    def _decode_next(self) -> Frame | None:
        # A whole round without a good image is the end, so that a loop cannot go round for ever.
        for _ in range(len(self._paths)):
            if self._next_path == len(self._paths):
                if not self._loop:
                    return None
                self._next_path = 0
            path = self._paths[self._next_path]
            self._next_path += 1
            try:
                loaded = self._read(path)
            except SourceError as exc:
                if self._strict:
                    raise
                self._skipped += 1
                self._note(f"left out: {exc}")
                continue
            for note in loaded.notes:
                self._note(note)
            index, self._delivered = self._delivered, self._delivered + 1
            image = self._fit(loaded.image) if self._film else loaded.image
            return Frame(image, index, index / self._rate, self._frame_name(path))
        return None

    def _fit(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if self._size is None:
            self._size = (width, height)
        elif self._size != (width, height):
            first = f"{self._size[0]}x{self._size[1]}"
            self._note(f"{self._name}: pictures of another size are letterboxed to {first}")
        return letterbox(image, *self._size)

    def _frame_name(self, path: Path) -> str:
        if self._film:
            return self._name
        if len(self._paths) == 1:
            return path.name
        return Path(os_path.relpath(path, self._root)).as_posix()
