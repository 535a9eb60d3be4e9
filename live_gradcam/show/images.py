"""Images as files: one, or one for each frame."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.native import cv2
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

ENCODER_OPTIONS: dict[str, list[int]] = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
    ".bmp": [],
}
"""File suffixes of images, with the parameters of OpenCV's encoder."""


def write_image(path: Path, image: Image) -> None:
    """Write one image; an existing file is replaced by the complete new one or not at all.

    Args:
        path: The file; its suffix, one of `ENCODER_OPTIONS`, chooses the format.
        image: ``uint8 (H, W, 3)`` BGR.

    Raises:
        SinkError: The file cannot be written.
    """
    try:
        done, encoded = cv2.imencode(path.suffix, image, ENCODER_OPTIONS[path.suffix.lower()])
    except cv2.error as exc:
        raise SinkError("cannot write picture", str(path), _encoder_says(exc)) from exc
    if not done:
        raise SinkError("cannot write picture", str(path), "the encoder refused it")
    try:
        replace_file(path, encoded.tobytes())
    except OSError as exc:
        raise cannot_write("cannot write picture", path, exc) from exc


def _encoder_says(exc: cv2.error) -> str:
    return str(getattr(exc, "err", "") or exc)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file as a whole; an existing one is replaced by the complete new one or not at all.

    Raises:
        OSError: It cannot be written.
    """
    # Through links, and never in place of a device.
    target = path.resolve()
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        with target.open("wb", buffering=0) as device:
            device.write(data)
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with beside.open("wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        beside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def check_writable(folder: Path) -> None:
    """Raise the system's `OSError` now if no file can be made in ``folder``."""
    probe = folder / f".{os.getpid()}.part"
    try:
        probe.open("wb").close()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


class ImageSink(Sink):
    """Sink for the rendered image of a source with a single frame.

    Args:
        path: The file; replaced if it exists.

    Raises:
        SinkError: No file can be made there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = False
        try:
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(13, os.strerror(13), str(path))
            if not path.exists() or stat.S_ISREG(path.stat().st_mode):
                check_writable(path.resolve().parent)
        except OSError as exc:
            raise cannot_write("cannot create picture", path, exc) from exc

    @property
    def path(self) -> Path:
        """The image file."""
        return self._path

    @property
    def description(self) -> str:
        """The file."""
        return str(self._path) if self._written else f"{self._path} (nothing: there was no frame)"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write the image.

        Raises:
            SinkError: It cannot be written, or it is the second one.
        """
        if rendered is None:
            raise ValueError("a picture file needs the drawn picture")
        if self._written:
            raise SinkError(
                "cannot write picture",
                str(self._path),
                "the source has more than one frame",
                f"Give a folder, e.g. -o {self._path.stem}/, or --max-frames 1",
            )
        write_image(self._path, rendered)
        self._written = True

    def close(self) -> None:
        """Do nothing: the image is complete already."""


class FolderSink(Sink):
    """Sink of one image for each frame, in a folder that is made where it does not exist.

    Images keep their names; frames of anything else are ``frame_000000.png`` and so on.

    Args:
        folder: The folder.
        info: Where the frames come from.
        overwrite: Replace files of these names that stood there before.

    Raises:
        SinkError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path, info: SourceInfo, *, overwrite: bool = False) -> None:
        self._folder = folder
        self._named = info.kind == "pictures"
        self._overwrite = overwrite
        self._used: set[str] = set()
        try:
            self._made = not folder.exists()
            folder.mkdir(exist_ok=True)
            check_writable(folder)
        except OSError as exc:
            raise cannot_write("cannot write folder", folder, exc) from exc

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def description(self) -> str:
        """Folder and number of images."""
        count = len(self._used)
        return f"{self._folder} ({count} {'picture' if count == 1 else 'pictures'})"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one image.

        Raises:
            SinkError: It cannot be written.
            UsageError: A file of its name stood there before and must not be replaced.
        """
        if rendered is None:
            raise ValueError("a picture file needs the drawn picture")
        path = self._folder / self._name(frame)
        if not self._overwrite and path.exists():
            raise already_exists(path)
        write_image(path, rendered)

    def close(self) -> None:
        """Leave the images; remove the folder if it was made for nothing."""
        if self._made and not self._used:
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _name(self, frame: Frame) -> str:
        wanted = self._wanted_name(frame)
        name, number = wanted.name, 1
        while name.lower() in self._used:
            number += 1
            name = f"{wanted.stem}-{number}{wanted.suffix}"
        self._used.add(name.lower())
        return name

    def _wanted_name(self, frame: Frame) -> Path:
        return Path(image_name(frame.source if self._named else "", frame.index))


def image_name(source: str, index: int) -> str:
    """Return the name of a frame's file in a folder: its own, in a format that can be written."""
    if not source:
        return f"frame_{index:06d}.png"
    own = Path(Path(source).name)
    return own.name if own.suffix.lower() in ENCODER_OPTIONS else f"{own.stem}.png"


def check_output_file(what: str, path: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that could not be written, before anybody waits for it.

    Args:
        what: What would fail, e.g. ``cannot export``.
        path: The file.
        overwrite: It may be replaced.

    Raises:
        UsageError: It is a folder, or exists and may not be replaced.
        SinkError: Nothing can be made in its folder, or there is none.
    """
    try:
        if path.is_dir():
            raise UsageError(what, str(path), "it is a folder", "Name a file")
        if path.exists() and not overwrite:
            raise already_exists(path)
        check_writable(path.resolve().parent)
    except OSError as exc:
        raise cannot_write(what, path, exc) from exc


def already_exists(path: Path) -> UsageError:
    """Make the error for a file that exists and may not be replaced."""
    return UsageError(
        "output exists",
        str(path),
        "it is not overwritten",
        "Add --overwrite or choose another name",
    )
