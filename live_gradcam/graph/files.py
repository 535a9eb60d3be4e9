"""Recognising a file that holds an exported explanation, without loading what runs it."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

from live_gradcam.errors import ModelError
from live_gradcam.graph.metadata import KEY, GraphMetadata
from live_gradcam.graph.protobuf import fields

SUFFIXES = (".onnx", ".xml")
"""Of files that may hold an exported explanation: ONNX, and OpenVINO's IR."""

METADATA_PROPS = 14
"""Of ONNX's ModelProto: number of the field of entries, each with a key and a value."""

_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_IR_ENTRY = re.compile(rf'<{KEY}\s+value="([^"]*)"')
# What is longer is no entry of ours: the longest has the names of 20,000 classes.
_LONGEST_ENTRY = 64 << 20


def read_metadata(path: Path | str) -> GraphMetadata | None:
    """Read what an exported file says about itself.

    Args:
        path: Of any file, or of none.

    Returns:
        ``None`` where it is no file that ``live-gradcam export`` made; a plain ONNX network is one.

    Raises:
        ModelError: Its metadata is damaged, or of a newer version.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return None
    try:
        text = _ir_entry(file) if file.suffix.lower() == ".xml" else _onnx_entry(file)
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        raise ModelError("cannot read graph", str(file), cause) from exc
    except (ValueError, IndexError):  # no ONNX file at all: whoever reads it next says what it is
        return None
    return None if text is None else GraphMetadata.from_json(text, file.name)


def refuse_exported(path: Path | str) -> None:
    """Refuse an exported file where the network itself is needed.

    Raises:
        ModelError: It is one.
    """
    metadata = read_metadata(path)
    if metadata is not None:
        cause = (
            f"it is an exported file, which explains {metadata.layer} by {metadata.method} and "
            "nothing else"
        )
        step = f"Give the network itself: {metadata.network}. 'live-gradcam run' takes the file"
        raise ModelError("cannot use as a network", str(path), cause, step)


def _ir_entry(file: Path) -> str | None:
    found = _IR_ENTRY.search(file.read_text(encoding="utf-8", errors="replace"))
    return None if found is None else html.unescape(found[1])


def _onnx_entry(file: Path) -> str | None:
    """Walk over the fields of a ModelProto; the graph, which is most of it, is skipped unread."""
    with file.open("rb") as stream:
        for field in fields(stream):
            if field.number != METADATA_PROPS or field.stop - field.start > _LONGEST_ENTRY:
                continue
            stream.seek(field.start)
            entry = _texts(stream.read(field.stop - field.start))
            if entry.get(_ENTRY_KEY) == KEY:
                return entry.get(_ENTRY_VALUE, "")
    return None


def _texts(data: bytes) -> dict[int, str]:
    """Return the texts of a message that has nothing else, by their numbers."""
    return {
        field.number: data[field.start : field.stop].decode("utf-8")
        for field in fields(io.BytesIO(data))
    }
