"""The files of an archive as pictures and frames, and when they were taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow
from typing_extensions import override

from live_gradcam.archive.named import NamedSource
from live_gradcam.archive.options import ArchiveOptions, Every
from live_gradcam.archive.part_rows import modified_at
from live_gradcam.archive.parts import ArchiveFile
from live_gradcam.archive.remote import is_remote, open_remote
from live_gradcam.capture.medium import OpenedMedium
from live_gradcam.capture.open import open_source
from live_gradcam.capture.pieces import FrameRange
from live_gradcam.capture.source import Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.images.read import LoadedImage, load_image, quiet_pillow
from live_gradcam.images.sniff import sniff
from live_gradcam.values import Frame

# Formats whose EXIF block stands before the pixels; that of a PNG is found by decoding it.
_WITH_TIMES = (".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".webp", ".mpo")
_MOST_BYTES = 512 << 20
_EXIF, _TAKEN, _TAKEN_OFFSET, _FRACTION = 0x8769, 0x9003, 0x9011, 0x9291


def load_picture(file: ArchiveFile) -> LoadedImage:
    """Read a picture.

    Raises:
        SourceError: It is missing or broken.
    """
    if not is_remote(file.address):
        return load_image(file.address)
    if (file.size or 0) > _MOST_BYTES:
        raise SourceError("cannot read picture", file.file, "the file is larger than 512 MB")
    return load_image(_fetch(file), where=file.file)


def _fetch(file: ArchiveFile) -> bytes:
    try:
        with open_remote(file.address) as opened:
            return opened.read()
    except OSError as exc:
        raise SourceError("cannot read", file.file, f"the storage says: {exc}") from exc


def picture_taken(file: ArchiveFile) -> datetime | None:
    """Return when a picture was taken: as its EXIF block says, else its file's last change.

    A camera that does not say its time zone is taken to be at UTC.
    """
    return _exif_time(file.address) or modified_at(file)


def _exif_time(address: str) -> datetime | None:
    if not address.lower().endswith(_WITH_TIMES):
        return None
    try:
        opener = open_remote if is_remote(address) else _open_local
        with opener(address) as file, quiet_pillow(), Pillow.open(file) as picture:
            block = picture.getexif().get_ifd(_EXIF)
        taken = str(block.get(_TAKEN, "")).strip(" \0")
        offset = str(block.get(_TAKEN_OFFSET, "")).strip(" \0")
        fraction = "".join(filter(str.isdigit, str(block.get(_FRACTION, ""))))[:6]
        text = f"{taken}.{fraction or 0}{_zone(offset)}"
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S.%f%z").astimezone(timezone.utc)
    except Exception:  # whatever a strange block provokes: it says no time
        return None


def _open_local(path: str) -> BinaryIO:
    return Path(path).open("rb")


def _zone(offset: str) -> str:
    try:
        datetime.strptime(offset, "%z")
    except ValueError:
        return "+00:00"
    return offset


def open_film(
    file: ArchiveFile,
    options: ArchiveOptions,
    on_notice: Callable[[str], None],
    piece: FrameRange | None = None,
) -> SampledFilm:
    """Open a film, for the frames that are to be explained.

    Args:
        file: The film.
        options: Say which frames.
        on_notice: Told each sentence that users should know.
        piece: The piece of it that is read; ``None`` for the whole.

    Raises:
        SourceError: It is missing or broken.
    """
    chooser = _Chooser(options.every)
    path: Path | None = None
    if is_remote(file.address):
        medium = OpenedMedium(lambda: open_remote(file.address), file.file)
        verdict = medium.sniff()
    else:
        path = Path(file.address)
        verdict = sniff(path)
    if path is None or verdict.content == "video":
        film: Source = VideoSource(
            path or medium,
            strict=options.strict,
            sniffed=verdict,
            on_notice=lambda note: on_notice(f"{file.file}: {note}"),
            wanted=chooser.wants,
            piece=piece,
        )
        if piece is not None and piece.before is not None and film.info.time_base is not None:
            chooser.begin_behind(float((piece.before - piece.origin) * film.info.time_base))
    else:  # an animated picture, or a picture that is called a film
        film = open_source(path, strict=options.strict)
    return SampledFilm(film, file.file, chooser)


class SampledFilm(NamedSource):
    """A film, reduced to the frames that are to be explained, which keep their numbers.

    Args:
        inner: The film; closed with it.
        name: What frames are said to come from.
        chooser: Says which are wanted.
    """

    def __init__(self, inner: Source, name: str, chooser: _Chooser) -> None:
        super().__init__(inner, name)
        self._chooser = chooser

    @property
    def begun(self) -> datetime | None:
        """When the film was begun, as the file says it; ``None`` where it does not."""
        if not isinstance(self._inner, VideoSource):
            return None
        text = self._inner.creation_time.strip().replace("Z", "+00:00")
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        if found.year < 1971:  # a clock that was never set
            return None
        return found.replace(tzinfo=found.tzinfo or timezone.utc).astimezone(timezone.utc)

    @override
    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if self._chooser.takes(frame.index, frame.pts_seconds):
                yield frame


class _Chooser:
    """Says of frames, one after another, which are to be explained."""

    def __init__(self, every: Every) -> None:
        self._every = every
        self._taken = -1  # the last stretch of time that has its frame

    def begin_behind(self, seconds: float) -> None:
        """Learn the time of the frame before the first one: its stretch has its frame already."""
        self._taken = self._every.stretch(seconds)

    def wants(self, index: int, seconds: float) -> bool:
        """Return whether a frame is one of them, without taking it."""
        return self._every.takes(index, seconds, self._taken)

    def takes(self, index: int, seconds: float) -> bool:
        """Return whether a frame is one of them, and take it."""
        if not self.wants(index, seconds):
            return False
        self._taken = self._every.stretch(seconds)
        return True
