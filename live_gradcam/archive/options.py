"""What is done with every file of an archive, as plain data that travels between processes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from live_gradcam.archive.ledger import stamp
from live_gradcam.choices import (
    DEFAULT_COLORMAP,
    DEFAULT_COMPILE,
    DEFAULT_DEVICE,
    DEFAULT_ENGINE,
    DEFAULT_FUSE,
    DEFAULT_METHOD,
    DEFAULT_MODEL,
    DEFAULT_OPACITY,
    DEFAULT_OUTPUT,
    DEFAULT_PRECISION,
    DEFAULT_THRESHOLD,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    CompileChoice,
    EngineChoice,
    Fuse,
    OutputChoice,
    PrecisionChoice,
    View,
)
from live_gradcam.errors import UsageError
from live_gradcam.preprocessing.changes import PreprocessingChanges

_EVERY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|min|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
# What may differ from one run to the next without changing the rows.
_FREE = frozenset(["device", "compile", "engine", "strict", "overwrite"])


@dataclass(frozen=True, slots=True)
class Every:
    """Which frames of a film are explained.

    Attributes:
        frames: Each of so many, from the first one on; 1 is all of them.
        seconds: Instead, the first frame in each stretch of so many seconds; ``None`` for frames.
    """

    frames: int = 1
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.frames < 1 or (self.seconds is not None and not 0 < self.seconds < math.inf):
            raise ValueError(f"nothing is explained every {self.seconds or self.frames}")

    def stretch(self, seconds: float) -> int:
        """Return the number of the stretch of time that a moment lies in; 0 where none count."""
        # A time that is a tick's fraction below a whole stretch, as floats have it, is in it.
        return 0 if self.seconds is None else math.floor(seconds / self.seconds + 1e-6)

    def takes(self, index: int, seconds: float, last: int) -> bool:
        """Return whether a frame is to be explained.

        Args:
            index: Number of the frame in its film, from 0.
            seconds: Its time from the film's beginning.
            last: The stretch of the frame that was explained before it; -1 where there was none.
        """
        if self.seconds is None:
            return index % self.frames == 0
        return self.stretch(seconds) > last

    def __str__(self) -> str:
        return str(self.frames) if self.seconds is None else f"{self.seconds:g}s"


def parse_every(text: str) -> Every:
    """Read ``10`` (frames) or ``1s``, ``500ms``, ``2m``.

    Raises:
        UsageError: It is neither.
    """
    found = _EVERY.fullmatch(text.strip().lower())
    try:
        if found is not None and found[2] is not None:
            return Every(seconds=float(found[1]) * _SECONDS[found[2]])
        if found is not None:
            return Every(frames=int(found[1]))
    except ValueError:
        pass  # half a frame, or none
    step = "Use a number of frames, such as 10, or a time, such as 1s or 500ms"
    raise UsageError("cannot use --every", text, "it is neither frames nor a time", step)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """Everything that the rows of an archive depend on, but for the files themselves.

    The network is named as `live_gradcam.load_classifier` and `live_gradcam.Explainer` take it.

    Attributes:
        dataset: Folder that the rows are written to.
        overlays: Folder that pictures and films with their heat are written to; ``None`` for none.
        every: Which frames of films are explained.
        class_name: The explained class; ``None`` for the top one.
        boxes: COCO file or folder of PascalVOC files that says where objects are.
        truth: Share of the rows that are tested by removal, 0..1.
        maps: Rows hold the evidence map.
        thumbnails: Rows hold a small picture with its heat.
        strict: A broken file is an error.
        overwrite: Files that are in the folder of overlays already may be replaced.
    """

    dataset: str
    model: str = DEFAULT_MODEL
    weights: Path | None = None
    labels: Path | None = None
    state: str | None = None
    layer: str | None = None
    fuse: Fuse = DEFAULT_FUSE
    output: OutputChoice = DEFAULT_OUTPUT
    output_name: str | None = None
    threshold: float = DEFAULT_THRESHOLD
    preprocessing: PreprocessingChanges | None = None
    transform_input: bool | None = None
    device: str = DEFAULT_DEVICE
    precision: PrecisionChoice = DEFAULT_PRECISION
    compile: CompileChoice = DEFAULT_COMPILE
    engine: EngineChoice = DEFAULT_ENGINE
    top_k: int = DEFAULT_TOP_K
    view: View = DEFAULT_VIEW
    method: str = DEFAULT_METHOD
    class_name: str | None = None
    every: Every = Every()
    boxes: Path | None = None
    truth: float = 0.0
    maps: bool = False
    thumbnails: bool = False
    overlays: str | None = None
    colormap: str = DEFAULT_COLORMAP
    opacity: float = DEFAULT_OPACITY
    smooth: bool = True
    strict: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.truth <= 1.0:
            raise ValueError(f"truth must be a share from 0 to 1, not {self.truth}")

    def as_record(self) -> dict[str, Any]:
        """Return all that rows depend on, by name, ready for JSON; files by what is in them."""
        record: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in _FREE or each.name == "dataset":
                continue
            if each.name == "every":
                value = str(value)
            elif each.name == "preprocessing" and value is not None:
                value = {key: part for key, part in asdict(value).items() if part is not None}
            elif isinstance(value, Path) or (each.name == "model" and Path(str(value)).is_file()):
                value = [str(value), stamps(Path(value))]
            elif each.name == "overlays" and value is not None:
                value = str(Path(value).absolute())
            record[each.name] = value
        decoded: dict[str, Any] = json.loads(json.dumps(record, default=str))
        return decoded


def stamps(path: Path) -> object:
    """Return a file's size and time; of a folder, a digest of those of all that is in it."""
    if not path.is_dir():
        return stamp(path)
    inside = [(str(each), stamp(each)) for each in sorted(path.rglob("*"))]
    return hashlib.sha256(repr(inside).encode("ascii", "backslashreplace")).hexdigest()


def options_digest(record: Mapping[str, Any]) -> str:
    """Return a short digest of the options that rows depend on."""
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
