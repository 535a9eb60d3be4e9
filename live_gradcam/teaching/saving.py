"""Taught classifiers as files, see `live_gradcam.explain.taught` for what is in them."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import save

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.taught import contents_of
from live_gradcam.os_errors import cannot_write
from live_gradcam.wording import did_you_mean

ENDING = ".safetensors"
_WHAT = "cannot save the taught classifier"


def check_path(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that could not be written, before anything is taught.

    Raises:
        UsageError: It has another ending, or exists and may not be replaced.
        SinkError: There is no such folder, or it cannot be written to.
    """
    if path.suffix.lower() != ENDING:
        near = did_you_mean(path.suffix, [ENDING])
        raise UsageError(_WHAT, str(path), f"the ending is not {ENDING}", near or f"Use {ENDING}")
    if path.is_dir():
        raise SinkError(_WHAT, str(path), "it is a folder", "Name a file")
    if not path.absolute().parent.is_dir():
        raise SinkError(_WHAT, str(path), "there is no such folder", "Make it first")
    if path.exists() and not overwrite:
        raise UsageError(_WHAT, str(path), "it exists", "Use --overwrite to replace it")
    if not os.access(path.absolute().parent, os.W_OK):
        raise SinkError(_WHAT, str(path), "its folder cannot be written to", "Name another one")


def save_taught(
    classifier: Classifier, path: str | Path, *, head_only: bool = False, overwrite: bool = False
) -> None:
    """Write a taught classifier to a file that `live_gradcam.load_classifier` takes as weights.

    Args:
        classifier: From `live_gradcam.teach`.
        path: The file, ``.safetensors``; whole or not at all.
        head_only: Leave out the trunk: the file goes with the network of its name.
        overwrite: Replace a file that exists.

    Raises:
        ModelError: It was not taught, or its network cannot be built again by its name.
        UsageError: The file exists, or has another ending.
        SinkError: It cannot be written.
    """
    path = Path(path)
    check_path(path, overwrite=overwrite)
    tensors, metadata = contents_of(classifier, whole=not head_only)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(save(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as exc:
        raise cannot_write(_WHAT, path, exc) from exc
    finally:
        partial.unlink(missing_ok=True)
