"""Taught classifiers as files, see `live_gradcam.explain.taught` for what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from live_gradcam.choices import DEFAULT_VIEW, View
from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.taught import EXAMPLES, contents_of, put_head
from live_gradcam.explain.taught_facts import MOST_BYTES, WHAT, read_facts
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import check_output_file, replace_file
from live_gradcam.teaching.learned import Learned
from live_gradcam.wording import did_you_mean

ENDING = ".safetensors"
_WHAT = "cannot save the taught classifier"
_HASH_BYTES, _BLOCK = 8, 1 << 20
# What the list of tensors and safetensors' own words take of a header, at most.
_LIST_BYTES = 1 << 19


def check_path(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that could not be written, before anything is taught.

    Raises:
        UsageError: It has another ending, is a folder, or exists and may not be replaced.
        SinkError: There is no such folder, or it cannot be written to.
    """
    if path.suffix.lower() != ENDING:
        near = did_you_mean(path.suffix, [ENDING])
        raise UsageError(_WHAT, str(path), f"the ending is not {ENDING}", near or f"Use {ENDING}")
    check_output_file(_WHAT, path, overwrite=overwrite)


def save_taught(
    classifier: Classifier,
    path: str | Path,
    *,
    head_only: bool = False,
    overwrite: bool = False,
    view: View = DEFAULT_VIEW,
    learned: Learned | None = None,
    examples: Iterable[Path] = (),
) -> None:
    """Write a taught classifier to a file that `live_gradcam.load_classifier` takes as weights.

    Args:
        classifier: From `live_gradcam.teach`.
        path: The file, ``.safetensors``; whole or not at all.
        head_only: Leave out the trunk: the file goes with the very trunk that it was taught on.
        overwrite: Replace a file that exists.
        view: Part of the images that it was taught on, if that was another one than the
            classifier's own.
        learned: What was learned, which the file then says, too.
        examples: Files that it was taught; evaluations tell them from others.

    Raises:
        ModelError: It was not taught, its network cannot be built again by its name, or the names
            of its classes are too long for such a file.
        UsageError: The file exists, or has another ending.
        SinkError: It cannot be written.
    """
    path = Path(path)
    check_path(path, overwrite=overwrite)
    tensors, facts = contents_of(classifier, whole=not head_only)
    preprocessing = facts.preprocessing.for_view(view)
    shown: View = "full" if view == "full" else DEFAULT_VIEW
    facts = replace(facts, preprocessing=preprocessing, view=shown)
    bare, room = facts.as_metadata(), MOST_BYTES - _LIST_BYTES
    if _length(bare) > room:
        cause = f"the names of its {len(facts.labels)} classes are too long for such a file"
        raise ModelError(_WHAT, str(path), cause, "Shorten them")
    if learned is not None:
        # What was learned of very many classes is left out, and never the classifier.
        said = replace(facts, learned=learned.as_record()).as_metadata()
        bare = said if _length(said) <= room else bare
    known = np.array([known_as(each) for each in examples], np.uint8)
    if len(known):
        tensors[EXAMPLES] = torch.from_numpy(known)
    try:
        replace_file(path, save(tensors, bare))
    except OSError as exc:
        raise cannot_write(_WHAT, path, exc) from exc


def _length(metadata: dict[str, str]) -> int:
    return len(ascii(metadata))


def known_as(path: Path) -> NDArray[np.uint8]:
    """Return what a file is known by among examples, ``uint8 (8,)``: of its SHA-256 the first ones.

    Of a file that cannot be read all are 0.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return np.zeros(_HASH_BYTES, np.uint8)
    return np.frombuffer(digest.digest()[:_HASH_BYTES], np.uint8)


def load_taught(path: str | Path, classifier: Classifier) -> Classifier:
    """Load a head that was saved without its trunk, and put it onto that.

    `live_gradcam.load_classifier` does so for networks that have a name; this is for all others.

    Args:
        path: A file of `save_taught`.
        classifier: What it was taught on, cut at the same layer; its trunk is shared.

    Returns:
        The classifier that was saved.

    Raises:
        ModelError: It is no such file, it is damaged, or it was taught on another trunk.
    """
    facts = read_facts(Path(path))
    if facts is None:
        cause = "it is no file of a taught classifier"
        raise ModelError(WHAT, str(path), cause, "Give a file of lg.save_taught")
    return put_head(Path(path), facts, classifier)
