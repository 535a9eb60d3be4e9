"""Outputs by their form: ``out.mp4``, ``out.jsonl``, a folder, a picture, ``-``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from live_gradcam.show.sink import Sink
from live_gradcam.values import SourceInfo


def open_sink(
    spec: str,
    info: SourceInfo,
    *,
    overwrite: bool = False,
    fps: float | None = None,
    max_frames: int | None = None,
    threads: int | None = None,
) -> Sink:
    """Open one output for the frames of one source."""
    raise NotImplementedError


def validate_outputs(
    specs: Sequence[str], source_paths: Sequence[Path] = (), *, overwrite: bool = False
) -> None:
    """Refuse outputs that cannot be right, before anything is opened."""
    raise NotImplementedError
