"""Is an exported file the one that was checked? A hash of it stands in its own metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from live_gradcam.errors import ModelError
from live_gradcam.graph.files import METADATA_PROPS
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.graph.protobuf import fields

_PIECE = 1 << 20


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a graph's file without its metadata, in hexadecimal digits.

    Args:
        path: An ``.onnx`` file, or an ``.xml`` file with its ``.bin`` beside it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is neither.
    """
    digest = hashlib.sha256()
    pieces = _ir_pieces(path) if path.suffix.lower() == ".xml" else _onnx_pieces(path)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def check_content(path: Path, metadata: GraphMetadata) -> None:
    """Refuse a file that is not what `live-gradcam export` wrote and checked.

    Raises:
        ModelError: It was changed, cut short, or put beside another file's weights.
    """
    try:
        intact = content_hash(path) == metadata.content_hash
    except OSError as exc:
        cause = (exc.strerror or str(exc)).lower()
        place = exc.filename or path
        raise ModelError("cannot read graph", str(place), cause) from exc
    except ValueError:
        intact = False
    if not intact:
        cause = "it was changed after it was exported and checked"
        raise ModelError("cannot use graph", str(path), cause, "Export it again")


def _onnx_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        for field in fields(stream):
            if field.number != METADATA_PROPS:
                place = stream.seek(field.begin)
                while place < field.stop:
                    piece = stream.read(min(_PIECE, field.stop - place))
                    place += len(piece)
                    yield piece


def _ir_pieces(path: Path) -> Iterator[bytes]:
    text = path.read_bytes()
    edges = text.index(b"</edges>")
    yield text[: text.index(b"<rt_info", edges)]
    with path.with_suffix(".bin").open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
