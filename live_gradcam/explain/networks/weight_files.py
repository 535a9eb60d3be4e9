"""Reader of files that may be anything, which never runs anything that they hold.

A file is recognised by its content, never by its name. Pickles are read with torch's restricted
unpickler, and where that refuses, with one that knows no way to call anything (`unpickle`).
Archives are checked before torch sees them: members must be stored uncompressed (an archive cannot
grow) and match their checksums (bit rot is found here, not in wrong predictions).
"""

from __future__ import annotations

import json
import logging
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.unpickle import RefusedNamesError, pickle_module
from live_gradcam.images.sniff import is_text, sniff_bytes

_logger = logging.getLogger(__name__)

# The lists of contents are read in Python: a few megabytes of them would take half a minute. The
# longest real ones, of a large network with its optimiser, are half as long as these limits.
_SAFETENSORS_HEADER_LIMIT = 2 << 20
_PICKLE_LIMIT = 3 << 19
_LEGACY_READS_LIMIT = 1_000_000
_MEMBER_LIMIT = 20_000
# Enough for `sniff_bytes`.
_START_BYTES = 4096

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (rb"\s*(<!doctype|<html|<\?xml|<head|<body)", "it is a web page, not weights"),
    (rb"version https://git-lfs", "it is a Git LFS pointer, not the weights it stands for"),
    (rb"\x89HDF", "it is an HDF5 file (Keras?), not PyTorch weights"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd", "it is a compressed file"),
    (rb"\x08[\x01-\x0f]\x12", "it is an ONNX model, not PyTorch weights"),
    (rb"TFL3|....TFL3", "it is a TensorFlow Lite model, not PyTorch weights"),
    (rb"GGUF", "it is a GGUF file, not PyTorch weights"),
    (rb"%PDF", "it is a PDF document, not weights"),
    (rb"\x7fELF|MZ", "it is a program, not weights"),
)
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
# What torch.save wrote before version 1.6: its magic number.
_LEGACY_TORCH = re.compile(
    rb"\x80[\x02-\x05](\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL
)


def read_content(path: Path, *, trusted: bool = False) -> Any:  # noqa: ANN401 - anything
    """Read what a file holds: tensors, containers, and `Inert` data in place of other objects.

    Args:
        path: The file.
        trusted: ``True`` skips the checksums, for a file whose hash has been checked.

    Raises:
        ModelError: The file is missing, damaged, dangerous, or something else than weights.
    """
    start = _read_start(path)
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path, verify_sums=not trusted)
        return _unpickle(path, mmap=True)
    if _LEGACY_TORCH.match(start):
        return _unpickle(path, mmap=False)
    if start[8:9] == b"{":
        return _read_safetensors(path)
    raise weights_error(path, _describe(path, start))


def weights_error(path: Path, cause: str, next_step: str = "") -> ModelError:
    """Return the refusal of a file of weights."""
    step = next_step or "Give a PyTorch state dict (.pth, .pt) or a .safetensors file"
    return ModelError("cannot use weights", str(path), cause, step)


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except IsADirectoryError as exc:
        raise weights_error(path, "it is a folder") from exc
    except FileNotFoundError as exc:
        raise weights_error(path, "there is no such file", "Check the path") from exc
    except OSError as exc:
        cause = exc.strerror or str(exc)
        if path.is_dir():  # Windows reports folders as a denied permission
            cause = "it is a folder"
        raise weights_error(path, cause) from exc
    if not start:
        raise weights_error(path, "the file is empty", "Download or save it again")
    return start


def _describe(path: Path, start: bytes) -> str:
    for pattern, cause in _OTHER_FILES:
        if re.match(pattern, start, re.IGNORECASE | re.DOTALL):
            return cause
    if _PICKLE_START.match(start):
        return "it is a Python pickle, which could run code; nothing of it was loaded"
    if not start.strip(b"\0"):
        return "it begins with zeros only: the file is damaged or was never written"
    if sniff_bytes(start).content != "other":
        return "it is a picture or a clip, not weights"
    if is_text(start):
        return "it is a text file, not weights"
    return f"its content is not recognised ({path.stat().st_size} bytes)"


def _check_archive(path: Path, *, verify_sums: bool) -> None:
    again = "Download or save it again"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            _refuse_programs(path, names)
            if len(members) > _MEMBER_LIMIT:
                raise weights_error(path, f"the archive has {len(members)} members")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise weights_error(
                    path, "the archive is compressed; weights are stored as they are"
                )
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise weights_error(
                    path, "the archive's members claim more bytes than the file has"
                )
            pickles = [m for m in members if m.filename.endswith(".pkl")]
            if any(member.file_size > _PICKLE_LIMIT for member in pickles):
                raise weights_error(path, "its list of contents is too long to be one of weights")
            damaged = archive.testzip() if verify_sums else None
    except ModelError:
        raise
    except Exception as exc:  # damaged archives fail in every way there is
        cause = str(exc) or type(exc).__name__
        raise weights_error(path, f"the archive is damaged or truncated ({cause})", again) from exc
    if damaged is not None:
        raise weights_error(path, f"the file is damaged: the checksum of {damaged} is wrong", again)


def _refuse_programs(path: Path, names: list[str]) -> None:
    folders = {name.partition("/")[2] for name in names}
    step = "Save torch.save(model.state_dict(), ...) instead"
    if any(name.endswith((".so", ".cpp")) or "aotinductor" in name for name in names):
        raise weights_error(path, "it is a compiled program (.pt2), which is never run", step)
    if "archive_format" in folders or any("exported_program" in name for name in names):
        raise weights_error(path, "it is an exported program (.pt2), not a state dict", step)
    if "constants.pkl" in folders or any(part.startswith("code/") for part in folders):
        raise weights_error(path, "it is a TorchScript program, not a state dict", step)
    if "data.pkl" not in folders:
        raise weights_error(path, "it is a zip archive of something else")


class _LimitedFile:
    """File with a limited number of reads, for torch's old form, whose end is not known before.

    Args:
        path: For the message.
        file: Source of the bytes.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._reads = 0
        self.readline = file.readline
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """Read as a file does, up to the limit."""
        self._reads += 1
        if self._reads > _LEGACY_READS_LIMIT:
            raise weights_error(self._path, "its list of contents is too long to be one of weights")
        return self._file.read(size)


def _unpickle(path: Path, *, mmap: bool) -> Any:  # noqa: ANN401 - a checkpoint may hold anything
    try:
        try:
            return _load(path, mmap=mmap, weights_only=True)
        except pickle.UnpicklingError:
            # torch's own message explains how to switch the safety off; it must not be passed on.
            _logger.debug("torch's restricted unpickler refused %s", path)
            return _load(path, mmap=mmap, weights_only=False, pickle_module=pickle_module())
    except ModelError:
        raise
    except RefusedNamesError as exc:
        raise objects_error(path, listed(exc.names)) from None
    except MemoryError as exc:
        raise weights_error(path, "it does not fit into memory") from exc
    except Exception as exc:  # damaged pickles fail in every way there is
        _logger.debug("%s cannot be read", path, exc_info=True)
        cause = f"the file is damaged or truncated ({type(exc).__name__})"
        raise weights_error(path, cause, "Download or save it again") from None


def _load(path: Path, *, mmap: bool, **options: Any) -> Any:  # noqa: ANN401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mmap:
            return torch.load(path, map_location="cpu", mmap=True, **options)
        # Without a descriptor of its own the file is never taken for an archive of torch 0.1.
        with path.open("rb") as file:
            limited: Any = _LimitedFile(path, file)
            return torch.load(limited, map_location="cpu", **options)


def objects_error(path: Path, what: str) -> ModelError:
    """Return the refusal of a file for the Python objects in it."""
    cause = (
        f"it holds Python objects besides tensors, {what}, which could run code; nothing was loaded"
    )
    step = "Save torch.save(model.state_dict(), ...) or a .safetensors file instead"
    return weights_error(path, cause, step)


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first of some names in words."""
    shown = ", ".join(f"{name:.80}" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    size = path.stat().st_size - 8
    if length > size:
        raise weights_error(
            path, f"it is truncated: its header should be {length} bytes, {size} are left"
        )
    if length > _SAFETENSORS_HEADER_LIMIT:
        raise weights_error(path, f"its header of {length} bytes is too long to be one of weights")
    try:
        with safe_open(path, framework="pt") as file:
            content: dict[str, Any] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as exc:
        cause = f"the safetensors file is damaged ({exc})"
        raise weights_error(path, cause, "Download or save it again") from exc
    for key, text in metadata.items():
        if key not in content and text[:1] in ("[", "{"):
            try:
                content[key] = json.loads(text)
            except (ValueError, RecursionError):
                _logger.debug("metadata %r of %s is not JSON", key, path)
    return content
