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

IMAGE_SUFFIXES = frozenset(
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
    if path.suffix.lower() in IMAGE_SUFFIXES:
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

    Frames come in order by iterating, or any one of them with `read_at`, for which nothing but the
    list is kept.

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
        find: Lists the images anew, for `look_again`; ``None`` where the list is fixed.

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
        find: Callable[[], Sequence[Path]] | None = None,
    ) -> None:
        if not paths:
            raise SourceError("cannot open pictures", name, "there are none")
        super().__init__(on_notice)
        self._paths = tuple(paths)
        self._root = root or _shared_folder(self._paths)
        if film and fps is None:
            fps = FILM_FPS
        self._name = name
        self._film = film
        self._read = read
        self._find = find
        self._broken: set[Path] = set()
        self._rate = fps or 1.0
        self._loop = loop
        self._strict = strict or len(self._paths) == 1
        self._next_path = 0
        self._film_size: tuple[int, int] | None = None
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

    @property
    def paths(self) -> tuple[Path, ...]:
        """The images in order, as they were listed last; broken ones are among them."""
        return self._paths

    @property
    def loops(self) -> bool:
        """True if the first image follows the last one."""
        return self._loop

    @property
    def strict(self) -> bool:
        """True if a broken image is an error."""
        return self._strict

    def look_again(self) -> None:
        """List the images anew, where they are those of a folder or a pattern; read each anew.

        An empty list and a folder that cannot be read leave everything as it was.
        """
        with self._lock:
            # What was decoded at opening may have been changed or deleted since.
            if self._waiting is not None:
                self._waiting, self._next_path = None, 0
        if self._find is None:
            return
        try:
            found = tuple(self._find())
        except (OSError, SourceError):
            return
        if found:
            with self._lock:
                self._paths = found

    def read_at(self, place: int) -> Frame:
        """Decode one image, whatever its place; iterating goes on where it was.

        Args:
            place: Index in `paths`.

        Raises:
            SourceError: It is broken; the first time, it is counted and noted as left out.
        """
        with self._lock:
            waiting = self._waiting
            if waiting is not None and waiting.place == (place + 1, len(self._paths)):
                return waiting
            path = self._paths[place]
            try:
                return self._decode(place)
            except SourceError as error:
                self._leave_out(path, error)
                raise

    @override
    def _decode_next(self) -> Frame | None:
        # A whole round without a good image is the end, so that a loop cannot go round for ever.
        for _ in range(len(self._paths)):
            if self._next_path == len(self._paths):
                if not self._loop:
                    return None
                self._next_path = 0
            place, self._next_path = self._next_path, self._next_path + 1
            try:
                return self._decode(place)
            except SourceError as error:
                if self._strict:
                    raise
                self._leave_out(self._paths[place], error)
        return None

    def _decode(self, place: int) -> Frame:
        path = self._paths[place]
        loaded = self._read(path)
        for note in loaded.notes:
            self._note(note)
        index, self._delivered = self._delivered, self._delivered + 1
        image = self._fit(loaded.image) if self._film else loaded.image
        return Frame(
            image,
            index,
            index / self._rate,
            self._frame_name(path),
            place=None if self._film else (place + 1, len(self._paths)),
        )

    def _leave_out(self, path: Path, error: SourceError) -> None:
        if path not in self._broken:
            self._broken.add(path)
            self._skipped += 1
            self._note(f"left out: {error}")

    def _fit(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if self._film_size is None:
            self._film_size = (width, height)
        elif self._film_size != (width, height):
            first = f"{self._film_size[0]}x{self._film_size[1]}"
            self._note(f"{self._name}: pictures of another size are letterboxed to {first}")
        return letterbox(image, *self._film_size)

    def _frame_name(self, path: Path) -> str:
        if self._film:
            return self._name
        if len(self._paths) == 1:
            return path.name
        if self._root is None:
            return path.as_posix()
        return Path(os_path.relpath(path, self._root)).as_posix()


def _shared_folder(paths: Sequence[Path]) -> Path | None:
    try:
        return Path(os_path.commonpath([path.absolute().parent for path in paths]))
    except ValueError:  # several drives
        return None
