"""Everything that can be given as a picture becomes an image: the border of the Python face."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image as Pillow

from live_gradcam.credentials import is_address, printable, scheme_of
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.image_like import ColorOrder, ImageLike
from live_gradcam.images.arrays import (
    WHAT,
    array_to_image,
    describe,
    is_tensor,
    tensor_to_image,
)
from live_gradcam.images.read import LoadedImage, from_pillow, load_image
from live_gradcam.images.web import fetch_picture
from live_gradcam.picture import Picture, remember
from live_gradcam.values import Frame, Image
from live_gradcam.wording import did_you_mean

T = TypeVar("T")

OnError: TypeAlias = Literal["raise", "skip"]
"""What an image that cannot be read does to the others of its batch."""

_TAKEN = "a path, an http(s) address, bytes, a file, a PIL image, an array or a tensor"
_MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class TakenImage:
    """An image, from wherever it came.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR; the given array itself where it was that.
        picture: What is to be remembered of it.
        notes: One sentence for each thing that was left out or changed.
    """

    image: Image
    picture: Picture
    notes: tuple[str, ...] = ()


def check_color(color: object) -> None:
    """Raise `UsageError` unless this is a `ColorOrder` or ``None``."""
    if color is not None and color not in get_args(ColorOrder):
        raise UsageError("unknown colour order", f"color={color!r}", "", "Use bgr or rgb")


def take_image(
    given: ImageLike, *, color: ColorOrder | None = None, keep: bool = True
) -> TakenImage:
    """Make an image of whatever was given as a picture.

    Args:
        given: See `live_gradcam.Explainer.explain`.
        color: Order of the colours in an array or a tensor; ``None`` is BGR for arrays, as in
            OpenCV, and RGB for tensors, as in torchvision.
        keep: Keep a given array in memory for a while, as whatever is read anyway.

    Raises:
        SourceError: It is no picture, or cannot be read.
        UsageError: There is no such order of colours.
    """
    check_color(color)
    if isinstance(given, Frame):
        return TakenImage(given.image, remember(given.image, name=given.source, keep=keep))
    if isinstance(given, np.ndarray):
        loaded = array_to_image(given, color or "bgr")
        kept = keep or loaded.image is not given
        return TakenImage(loaded.image, remember(loaded.image, keep=kept), loaded.notes)
    if isinstance(given, (str, os.PathLike)):
        text = os.fspath(given)
        if not isinstance(text, str):
            raise _refused(given, "its path is bytes")
        return _from_address(text) if is_address(text) else _from_file(text)
    loaded, name = _from_memory(given, color)
    return TakenImage(loaded.image, remember(loaded.image, name=name, keep=True), loaded.notes)


def take_batch(
    given: Iterable[ImageLike], *, color: ColorOrder | None = None, on_error: OnError = "raise"
) -> list[TakenImage | SourceError]:
    """Make images of several pictures, as `take_image` does of one.

    Args:
        given: Several pictures, an array ``(N, H, W, 3)`` or ``(N, H, W)``, or a tensor
            ``(N, C, H, W)``.
        color: As for `take_image`.
        on_error: ``skip`` puts the error in the place of a picture that cannot be read.

    Raises:
        SourceError: One of them cannot be read, unless errors are skipped.
        UsageError: It is a single picture, or nothing that has several; or an option has a value
            that does not exist.
    """
    check_color(color)
    if on_error not in get_args(OnError):
        step = f"{did_you_mean(str(on_error), get_args(OnError))}Use raise or skip"
        raise UsageError("cannot explain", f"on_error={on_error!r}", "", step)
    taken: list[TakenImage | SourceError] = []
    for each in as_batch(given):
        try:
            taken.append(take_image(each, color=color, keep=False))
        except SourceError as exc:
            if on_error == "raise":
                raise
            taken.append(exc)
    return taken


def with_errors(
    batch: Sequence[TakenImage | SourceError], found: Sequence[T]
) -> list[T | SourceError]:
    """Return what was found of each image of a batch, and its error where it could not be read.

    Args:
        batch: From `take_batch`.
        found: One for each image of it that could be read, in order.
    """
    good = iter(found)
    return [each if isinstance(each, SourceError) else next(good) for each in batch]


def as_batch(given: Iterable[ImageLike]) -> Iterable[ImageLike]:
    """Return the pictures of a batch, as `take_batch` is given them, without reading one.

    Raises:
        UsageError: It is a single picture, or nothing that has several.
    """
    if isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview, Pillow.Image, Frame)):
        named = printable(str(given)) if isinstance(given, (str, os.PathLike)) else _named(given)
        raise _no_batch(named, "it is one")
    if isinstance(given, np.ndarray) or is_tensor(given):
        values: Any = given
        shape, channels_at = tuple(values.shape), 0 if is_tensor(given) else 2
        if len(shape) < 3 or (len(shape) == 3 and shape[channels_at] in (1, 3, 4)):
            raise _no_batch(describe(given), "it is one")
        return list(values)
    if isinstance(given, Sequence):
        return given
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise _no_batch(_named(given), "it is no list of pictures")
    return given


def _no_batch(where: str, cause: str) -> UsageError:
    step = "Use explain, or put it into a list"
    return UsageError("explain_batch takes several pictures", where, cause, step)


def _from_memory(given: object, color: ColorOrder | None) -> tuple[LoadedImage, str]:
    if isinstance(given, Pillow.Image):
        try:
            return from_pillow(given), str(getattr(given, "filename", ""))
        except SourceError:
            raise
        except Exception as exc:  # Pillow's decoders let through whatever a broken file provokes
            raise SourceError(WHAT, _named(given), str(exc) or type(exc).__name__) from exc
    if is_tensor(given):
        return tensor_to_image(given, color or "rgb"), ""
    if isinstance(given, (bytes, bytearray, memoryview)):
        return load_image(bytes(given)), ""
    if given is None:
        step = "Check what it was read from: cv2.imread gives None where it cannot read a file"
        raise SourceError(WHAT, "None", "there is none", step)
    if callable(getattr(given, "read", None)):
        return _from_reader(given)
    if hasattr(given, "__array__") and not isinstance(given, type):
        values = np.asarray(given)
        return array_to_image(values, color or "bgr"), ""
    if isinstance(given, (list, tuple)):
        cause = "it is no single picture"
        raise SourceError(WHAT, _named(given), cause, "Give several pictures to explain_batch")
    raise _refused(given, "it is no picture")


def _from_reader(file: Any) -> tuple[LoadedImage, str]:  # noqa: ANN401 - any file object
    name = getattr(file, "name", "")
    name = name if isinstance(name, str) else ""
    try:
        data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError, TypeError, UnicodeDecodeError) as exc:
        where = f"{_named(file)} {name}".strip()
        cause = "it is opened as text" if isinstance(exc, UnicodeDecodeError) else str(exc)
        raise SourceError(WHAT, where, cause, "Open the file for reading bytes") from exc
    if inspect.iscoroutine(data):
        data.close()
        cause = "its read() has to be awaited"
        raise SourceError(WHAT, _named(file), cause, "Give its bytes, or its .file")
    if not isinstance(data, (bytes, bytearray)):
        cause = f"its read() gives {type(data).__name__}, not bytes"
        raise SourceError(WHAT, _named(file), cause, "Open the file with mode 'rb'")
    if len(data) > _MAX_BYTES:
        raise SourceError(WHAT, _named(file), "it is larger than 512 MB")
    return load_image(bytes(data), where=name or "picture in memory"), name


def _from_file(text: str) -> TakenImage:
    if text.lower().startswith("file://"):
        text = unquote(urlsplit(text).path)
    path = Path(text)
    if _is_folder(path):
        step = "Give its pictures to explain_batch, or open it with lg.open_source"
        raise SourceError(WHAT, text, "it is a folder", step)
    loaded = load_image(path)
    try:
        size = path.stat().st_size
    except OSError:  # gone since
        size = 0
    whole = str(path.absolute())
    picture = remember(loaded.image, name=text, path=whole, file_bytes=size)
    return TakenImage(loaded.image, picture, loaded.notes)


def _from_address(text: str) -> TakenImage:
    shown = printable(text)
    if scheme_of(text.strip()) not in ("http", "https"):
        step = "For cameras, streams and films use lg.open_source"
        raise SourceError(WHAT, shown, "only http and https addresses are pictures", step)
    loaded = load_image(fetch_picture(text), where=shown)
    return TakenImage(loaded.image, remember(loaded.image, name=shown, keep=True), loaded.notes)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _named(given: object) -> str:
    kind = type(given).__name__
    return f"{kind} of {len(given)}" if isinstance(given, (list, tuple, dict, set)) else kind


def _refused(given: object, cause: str) -> SourceError:
    return SourceError(WHAT, _named(given), cause, f"Give {_TAKEN}")
