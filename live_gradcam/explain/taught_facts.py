"""What a file of a taught classifier says about itself, checked as a stranger's."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from live_gradcam.choices import DEFAULT_VIEW, View
from live_gradcam.errors import ModelError
from live_gradcam.preprocessing.settings import Preprocessing

FORMAT = "live-gradcam taught classifier"
VERSION = 1
MOST_BYTES = 2 << 20
"""Longest header of a file that is read, by this program and by its reader of any checkpoint."""

WHAT = "cannot use the taught classifier"

# How the origins of weights begin and go on, see `NetworkSpec.origin`.
FILE, PUBLISHED = "the file ", ", which is torchvision's"
GIVEN_MODULE = "weights of the given module"

# Sizes beyond these are no network's, and would only take memory.
_MOST_CHANNELS, _MOST_POSITIONS = 1 << 20, 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtFacts:
    """What a file says about a taught classifier.

    Attributes:
        network: Name of its network.
        layer: Name of the explained layer.
        labels: Names of the classes.
        preprocessing: Of the network's images.
        trunk: SHA-256 of the trunk, see `pooled.hash_of_trunk`.
        layout: What lays out the trunk's output as maps: nothing, or ``tokens`` with their
            channels, prefix, rows and columns, or ``last`` with the number of channels.
        whole: The trunk is in the file.
        origin: Source of the trunk's weights, as a short sentence; empty where it is not known.
        view: Part of the images that it was taught on.
        learned: What was learned, see `teaching.learned.Learned.as_record`; empty where it is not
            known.
    """

    network: str
    layer: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    trunk: str
    layout: tuple[str | int, ...] = ()
    whole: bool = True
    origin: str = ""
    view: View = DEFAULT_VIEW
    learned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_name(self) -> bool:
        """Whether the network's name brings the trunk's weights: they are published ones."""
        is_own = self.origin.startswith(FILE) and PUBLISHED not in self.origin
        return not is_own and self.origin != GIVEN_MODULE

    @property
    def said(self) -> tuple[str, ...]:
        """What people were told of what was learned, one sentence each."""
        found = self.learned.get("sentences")
        lines = found if isinstance(found, list) else []
        return tuple(each for each in lines if isinstance(each, str) and each.isprintable())

    def as_metadata(self) -> dict[str, str]:
        """Return everything as texts, for the file."""
        record = asdict(self)
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in record.items()}
        return {"format": FORMAT, "version": str(VERSION), **texts}


def read_facts(path: Path) -> TaughtFacts | None:
    """Return what a file says about a taught classifier; ``None`` where it is something else.

    Raises:
        ModelError: It is one of a newer version, or what it says is damaged.
    """
    metadata = _metadata(path)
    if metadata is None or metadata.get("format") != FORMAT:
        return None
    if metadata.get("version") != str(VERSION):
        cause = (
            f"it is of version {metadata.get('version')!r:.20}, and this program knows {VERSION}"
        )
        raise ModelError(WHAT, str(path), cause, "Install a newer live-gradcam")
    try:
        return _checked(
            {
                each.name: json.loads(metadata[each.name])
                for each in fields(TaughtFacts)
                if each.name in metadata or _is_needed(each.name)
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ModelError) as exc:
        raise ModelError(WHAT, str(path), "what it says about itself is damaged") from exc


def _is_needed(name: str) -> bool:
    found = TaughtFacts.__dataclass_fields__[name]
    return found.default is MISSING and found.default_factory is MISSING


def _checked(record: dict[str, Any]) -> TaughtFacts:
    """Make facts of what a file says.

    Raises:
        ValueError: A value is of another kind.
    """
    settings = dict(record.pop("preprocessing"))
    for name in ("resize_size", "crop_size"):
        size = settings[name]
        settings[name] = tuple(size) if isinstance(size, list) else size
    for name in ("mean", "std", "value_range"):
        settings[name] = tuple(settings[name])
    names, layout = record.pop("labels"), tuple(record.pop("layout", ()))
    labels = tuple(names if isinstance(names, list) else ())
    facts = TaughtFacts(
        **record, labels=labels, layout=layout, preprocessing=Preprocessing(**settings)
    )
    texts = (facts.network, facts.layer, facts.trunk, facts.origin, *labels)
    is_sound = (
        all(isinstance(each, str) for each in texts)
        and len(labels) > 0
        and isinstance(facts.whole, bool)
        and facts.view in get_args(View)
        and isinstance(facts.learned, dict)
        and _is_layout(layout)
    )
    if not is_sound:
        raise ValueError("a value is of another kind")
    return facts


def _is_layout(layout: tuple[str | int, ...]) -> bool:
    numbers = layout[1:]
    if any(not isinstance(each, int) or isinstance(each, bool) or each < 0 for each in numbers):
        return False
    match layout:
        case ():
            return True
        case ("tokens", int(channels), int(prefix), int(rows), int(columns)):
            positions = rows * columns
            return 0 < channels < _MOST_CHANNELS and 0 < positions + prefix < _MOST_POSITIONS
        case ("last", int(channels)):
            return 0 < channels < _MOST_CHANNELS
    return False


def _metadata(path: Path) -> Mapping[str, str] | None:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MOST_BYTES:
                return None
            header = json.loads(file.read(length))
    except (OSError, struct.error, ValueError, RecursionError):
        return None
    found = header.get("__metadata__") if isinstance(header, dict) else None
    return found if isinstance(found, dict) else None
