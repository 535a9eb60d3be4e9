"""Reader of files of weights that may be anything, which never runs anything that they hold.

A file is recognised by its content, never by its name. Pickles are read with torch's restricted
unpickler only; what it refuses is refused, and nothing is read a second time in another way.
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.explain.omp import short_lived_thread
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

_STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
_AVERAGED_KEYS = ("model_ema", "state_dict_ema", "ema_state_dict", "ema")
_LABEL_KEYS = ("classes", "class_names", "labels", "categories", "class_to_idx", "idx_to_class")
# Wrappers put these before every key: DataParallel, torch.compile, Lightning and the like.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_NOT_PARAMETERS = frozenset({"n_averaged"})

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
_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before version 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Content of a file of weights.

    Attributes:
        tensors: Parameters and buffers by name, floating point as float32.
        labels: Names of the classes in the file's own form; ``None`` where it has none.
        notes: One sentence for each thing that had to be interpreted.
        versions: torch's own version notes of the modules, needed to load some old files.
    """

    tensors: dict[str, Tensor]
    labels: Any = None
    notes: tuple[str, ...] = ()
    versions: Any = None


@short_lived_thread
def read_checkpoint(path: Path, *, trusted: bool = False) -> Checkpoint:
    """Read weights from a file: a state dict, a training checkpoint around one, or safetensors.

    Args:
        path: The file.
        trusted: ``True`` skips the checksums, for a file whose hash has been checked.

    Raises:
        ModelError: The file is missing, damaged, dangerous, or something else than weights.
    """
    start = _read_start(path)
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path, verify_sums=not trusted)
        content = _unpickle(path, mmap=True)
    elif start.startswith(_LEGACY_TORCH):
        content = _unpickle(path, mmap=False)
    elif start[8:9] == b"{":
        content = _read_safetensors(path)
    else:
        raise _error(path, _describe(path, start))
    return _interpret(path, content)


def _error(path: Path, cause: str, next_step: str = "") -> ModelError:
    step = next_step or "Give a PyTorch state dict (.pth, .pt) or a .safetensors file"
    return ModelError("cannot use weights", str(path), cause, step)


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except IsADirectoryError as exc:
        raise _error(path, "it is a folder") from exc
    except FileNotFoundError as exc:
        raise _error(path, "there is no such file", "Check the path") from exc
    except OSError as exc:
        cause = exc.strerror or str(exc)
        if path.is_dir():  # Windows reports folders as a denied permission
            cause = "it is a folder"
        raise _error(path, cause) from exc
    if not start:
        raise _error(path, "the file is empty", "Download or save it again")
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
                raise _error(path, f"the archive has {len(members)} members")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise _error(path, "the archive is compressed; weights are stored as they are")
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise _error(path, "the archive's members claim more bytes than the file has")
            pickles = [m for m in members if m.filename.endswith(".pkl")]
            if any(member.file_size > _PICKLE_LIMIT for member in pickles):
                raise _error(path, "its list of contents is too long to be one of weights")
            damaged = archive.testzip() if verify_sums else None
    except ModelError:
        raise
    except Exception as exc:  # damaged archives fail in every way there is
        cause = str(exc) or type(exc).__name__
        raise _error(path, f"the archive is damaged or truncated ({cause})", again) from exc
    if damaged is not None:
        raise _error(path, f"the file is damaged: the checksum of {damaged} is wrong", again)


def _refuse_programs(path: Path, names: list[str]) -> None:
    folders = {name.partition("/")[2] for name in names}
    step = "Save torch.save(model.state_dict(), ...) instead"
    if any(name.endswith((".so", ".cpp")) or "aotinductor" in name for name in names):
        raise _error(path, "it is a compiled program (.pt2), which is never run", step)
    if "archive_format" in folders or any("exported_program" in name for name in names):
        raise _error(path, "it is an exported program (.pt2), not a state dict", step)
    if "constants.pkl" in folders or any(part.startswith("code/") for part in folders):
        raise _error(path, "it is a TorchScript program, not a state dict", step)
    if "data.pkl" not in folders:
        raise _error(path, "it is a zip archive of something else")


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
            raise _error(self._path, "its list of contents is too long to be one of weights")
        return self._file.read(size)


def _unpickle(path: Path, *, mmap: bool) -> Any:  # noqa: ANN401 - a checkpoint may hold anything
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if mmap:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with path.open("rb") as file:
                limited: Any = _LimitedFile(path, file)
                return torch.load(limited, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except pickle.UnpicklingError:
        # torch's own message explains how to switch the safety off; it must not be passed on.
        _logger.debug("the restricted unpickler refused %s", path)
        raise _error(
            path,
            "it holds Python objects besides tensors, which could run code; nothing was loaded",
            "Save torch.save(model.state_dict(), ...) or a .safetensors file instead",
        ) from None
    except MemoryError as exc:
        raise _error(path, "it does not fit into memory") from exc
    except Exception as exc:  # damaged pickles fail in every way there is
        _logger.debug("torch cannot load %s", path, exc_info=True)
        cause = f"the file is damaged or truncated ({type(exc).__name__})"
        raise _error(path, cause, "Download or save it again") from None


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    size = path.stat().st_size - 8
    if length > size:
        raise _error(path, f"it is truncated: its header should be {length} bytes, {size} are left")
    if length > _SAFETENSORS_HEADER_LIMIT:
        raise _error(path, f"its header of {length} bytes is too long to be one of weights")
    try:
        with safe_open(path, framework="pt") as file:
            content: dict[str, Any] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as exc:
        cause = f"the safetensors file is damaged ({exc})"
        raise _error(path, cause, "Download or save it again") from exc
    for key in _LABEL_KEYS:
        if key in metadata and key not in content:
            try:
                content[key] = json.loads(metadata[key])
            except ValueError:
                _logger.debug("metadata %r of %s is not JSON", key, path)
    return content


def _interpret(path: Path, content: Any) -> Checkpoint:  # noqa: ANN401
    if isinstance(content, Tensor) or not isinstance(content, Mapping):
        kind = type(content).__name__
        raise _error(path, f"it holds one {kind}, not a state dict")
    notes: list[str] = []
    state = _find_state(path, content, notes)
    versions = getattr(state, "_metadata", None)
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    tensors = _strip_prefixes(tensors, notes)
    labels = next((content[key] for key in _LABEL_KEYS if _is_labels(content.get(key))), None)
    if any(tensor.dtype in _HALF for tensor in tensors.values()):
        notes.append("half-precision weights were converted to float32")
    try:
        tensors = {key: _copy_tensor(path, key, value) for key, value in tensors.items()}
    except RuntimeError as exc:
        raise _error(path, f"its tensors cannot be read ({exc})") from exc
    return Checkpoint(tensors, labels, tuple(notes), versions)


def _find_state(path: Path, content: Mapping[Any, Any], notes: list[str]) -> Mapping[Any, Any]:
    """Return the state dict itself, which training checkpoints wrap, sometimes twice."""
    if _is_state(content):
        return content
    for key in (*_STATE_KEYS, *_AVERAGED_KEYS):
        inner = content.get(key)
        if isinstance(inner, Mapping) and inner:
            notes.append(f"the weights were found under {key!r} in the file")
            return _find_state(path, inner, notes)
    keys = ", ".join(repr(str(key))[:40] for key in list(content)[:6]) or "nothing"
    raise _error(path, f"it holds no state dict, only {keys}")


def _is_state(content: Mapping[Any, Any]) -> bool:
    """Return ``True`` if most values are tensors; labels and counters may stand beside them."""
    tensors = sum(isinstance(value, Tensor) for value in content.values())
    return 2 * tensors > len(content)


def _is_labels(value: object) -> bool:
    return bool(value) and isinstance(value, (list, tuple, Mapping))


def _strip_prefixes(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    tensors = {key: value for key, value in tensors.items() if key not in _NOT_PARAMETERS}
    while True:
        shared = (p for p in _PREFIXES if all(key.startswith(p) for key in tensors))
        prefix = next(shared, None)
        if prefix is None or not tensors:
            return tensors
        notes.append(f"the prefix {prefix!r} was taken off every name")
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}


_HALF = (torch.float16, torch.bfloat16)
_UNUSABLE: tuple[tuple[Callable[[Tensor], bool], str], ...] = (
    (lambda tensor: tensor.layout is not torch.strided, "is sparse"),
    (lambda tensor: tensor.is_quantized, "is quantised"),
    (lambda tensor: tensor.is_complex(), "is complex"),
    (lambda tensor: tensor.is_meta, "has no numbers"),
    # A tiny storage repeated by strides of zero would become gigabytes when it is copied.
    (
        lambda tensor: tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes(),
        "claims more numbers than the file has",
    ),
)


def _copy_tensor(path: Path, name: str, tensor: Tensor) -> Tensor:
    """Return a dense, finite copy, float32 where it is floating point.

    Copied because the file is mapped into memory: a training run that overwrites it must not
    change the weights of a running session.
    """
    for unusable, cause in _UNUSABLE:
        if unusable(tensor):
            raise _error(path, f"its tensor {name!r} {cause}")
    if not tensor.is_floating_point():
        return tensor.detach().clone()
    copied = tensor.detach().to(torch.float32, copy=True).contiguous()
    # In float64 no sum of finite float32 numbers overflows, and one pass is enough.
    if not bool(copied.sum(dtype=torch.float64).isfinite()):
        raise _error(
            path,
            f"its tensor {name!r} holds values that are not finite",
            "The training run diverged; use an earlier checkpoint",
        )
    return copied
