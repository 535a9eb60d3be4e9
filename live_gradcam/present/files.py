"""Explanations as files: pictures, numbers, JSON."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from typing_extensions import Unpack

from live_gradcam.errors import SinkError, SourceError, UsageError
from live_gradcam.image_like import ImageLike
from live_gradcam.images.sniff import cannot_open
from live_gradcam.os_errors import cannot_write
from live_gradcam.present.drawing import overlay
from live_gradcam.present.heatmap import heatmap, of_class
from live_gradcam.present.records import from_json, rebuilt, to_json, without_evidence
from live_gradcam.presentable import DrawOptions
from live_gradcam.show.images import ENCODER_OPTIONS, replace_file, write_image
from live_gradcam.values import Explanation
from live_gradcam.wording import did_you_mean

_ENDINGS = (*ENCODER_OPTIONS, ".npz", ".json")
_WHAT = "cannot save explanation"
_READ = "cannot read explanation"
# What reading provokes in a file of another kind or with broken bytes; RuntimeError comes of flags
# that ask for a password, or for a compression that there is not.
_DAMAGES = (
    *(ValueError, KeyError, OSError, EOFError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error),
)


def save(
    explanation: Explanation,
    path: str | os.PathLike[str],
    image: ImageLike | None = None,
    *,
    of: int | str | None = None,
    **options: Unpack[DrawOptions],
) -> None:
    """Save an explanation; see `live_gradcam.Explanation.save`."""
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in _ENDINGS:
        step = f"{did_you_mean(ending, _ENDINGS)}Use {', '.join(_ENDINGS)}"
        cause = "there is no such kind of file" if ending else "its name has no ending"
        raise UsageError(_WHAT, str(target), cause, step)
    if ending in ENCODER_OPTIONS:
        write_image(target, overlay(explanation, image, of=of, **options))
        return
    if options:
        cause = f"{', '.join(options)} of a drawing makes no difference to {ending}"
        raise UsageError(_WHAT, str(target), cause, "Leave it out, or save a picture")
    chosen = of_class(explanation, of)
    data = to_json(chosen).encode() + b"\n" if ending == ".json" else _npz(chosen)
    try:
        replace_file(target, data)
    except OSError as exc:
        raise cannot_write(_WHAT, target, exc) from exc
    except ValueError as exc:  # a name with a zero byte
        raise SinkError(_WHAT, repr(str(target)), str(exc)) from exc


def load(path: str | os.PathLike[str]) -> Explanation:
    """Load a saved explanation; see `live_gradcam.Explanation.load`."""
    source = Path(path)
    try:
        data = source.read_bytes()
    except (OSError, ValueError) as exc:
        raise cannot_open(source, exc) from exc
    try:
        if not zipfile.is_zipfile(io.BytesIO(data)):
            return from_json(data.decode())
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return rebuilt(json.loads(str(arrays["explanation"])), arrays["evidence"])
    except SourceError as exc:
        raise SourceError(_READ, str(source), exc.cause) from exc
    except _DAMAGES as exc:
        cause = "it is neither .json nor .npz of a saved explanation, or is damaged"
        raise SourceError(_READ, str(source), cause) from exc


def _npz(explanation: Explanation) -> bytes:
    arrays = {
        "evidence": explanation.evidence,
        "explained": np.array(explanation.explained, np.int64),
        "labels": np.array(explanation.labels, np.str_),
        "explanation": np.array(json.dumps(without_evidence(explanation), ensure_ascii=False)),
    }
    if explanation.picture is not None:
        arrays["heatmap"] = heatmap(explanation)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
