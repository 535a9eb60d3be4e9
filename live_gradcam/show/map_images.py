"""The maps as pictures: 16-bit grey PNG at the frame's size, from which the values can be had back.

A pixel's evidence is ``low + (high - low) * grey / 65535``. ``low`` is the least evidence of the
map or 0, ``high`` the greatest or 0, so that what the network did not see has the grey of 0.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from live_gradcam.errors import SinkError
from live_gradcam.native import cv2
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import FolderSink, already_exists, replace_file
from live_gradcam.show.panels import shown_label
from live_gradcam.show.sink import Extra
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

TABLE = "maps.jsonl"
"""Name of the file beside the maps that has a line for each of them."""

_NAME = re.compile(r"(?:.*[-_. ])?maps", re.IGNORECASE)
_MOST_GREY = 65535
_END_BYTES = 12  # of a PNG's last chunk


def is_maps_folder(name: str) -> bool:
    """Return whether a folder of this name is one for maps: ``maps``, or ``clip-maps`` and such."""
    return _NAME.fullmatch(Path(name).name) is not None


def grey_map(
    explanation: Explanation, width: int, height: int
) -> tuple[NDArray[np.uint16], float, float]:
    """Enlarge the first map of an explanation to the frame, smoothly, as the colours are.

    Args:
        explanation: It has at least one map.
        width: Of the frame in pixels.
        height: Of the frame in pixels.

    Returns:
        ``uint16 (height, width)``, and the evidence of grey 0 and of grey 65535.
    """
    region = explanation.region
    size = (region.width, region.height)
    enlarged = cv2.resize(explanation.evidence[0], size, interpolation=cv2.INTER_CUBIC)
    whole = np.zeros((height, width), np.float32)
    left, top = max(region.x, 0), max(region.y, 0)
    right, bottom = min(region.x + region.width, width), min(region.y + region.height, height)
    if left < right and top < bottom:
        seen = np.asarray(enlarged)[
            top - region.y : bottom - region.y, left - region.x : right - region.x
        ]
        whole[top:bottom, left:right] = seen
    low, high = min(float(whole.min()), 0.0), max(float(whole.max()), 0.0)
    span = (high - low) or 1.0
    grey = np.rint((whole.astype(np.float64) - low) * (_MOST_GREY / span))
    return grey.astype(np.uint16), low, high


def encode_map(grey: NDArray[np.uint16], facts: Mapping[str, Any]) -> bytes:
    """Return a 16-bit grey PNG with the facts as texts of their names.

    Args:
        grey: ``uint16 (H, W)``.
        facts: Texts and numbers; anything else is written as JSON.
    """
    done, encoded = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise SinkError("cannot write map", "", "the encoder refused it")
    data = encoded.tobytes()
    texts = b"".join(_text_chunk(key, _as_text(value)) for key, value in facts.items())
    return data[:-_END_BYTES] + texts + data[-_END_BYTES:]


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text_chunk(key: str, text: str) -> bytes:
    """Return an iTXt chunk: keyword, not compressed, no language (PNG 1.2, 4.2.3.3)."""
    content = key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8", "backslashreplace")
    body = b"iTXt" + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


class MapFolderSink(FolderSink):
    """Sink of one 16-bit grey PNG for each frame, and a table of their scales.

    Args:
        folder: The folder.
        info: Where the frames come from.
        overwrite: Replace files of these names that stood there before.

    Raises:
        SinkError: The folder cannot be made or written.
        UsageError: There is a table in it already.
    """

    needs_rendered = False

    def __init__(self, folder: Path, info: SourceInfo, *, overwrite: bool = False) -> None:
        super().__init__(folder, info, overwrite=overwrite)
        self._table = folder / TABLE
        if self._table.exists() and not overwrite:
            raise already_exists(self._table)
        self._begun = False

    @property
    @override
    def description(self) -> str:
        count = len(self._used)
        return f"{self._folder} ({count} {'map' if count == 1 else 'maps'}, 16-bit grey)"

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        if not explanation.explained:
            raise ValueError("a map needs an explained class")
        height, width = frame.image.shape[:2]
        grey, low, high = grey_map(explanation, width, height)
        name = self._name(frame)
        path = self._folder / name
        if not self._overwrite and path.exists():
            raise already_exists(path)
        facts = _facts(frame, explanation, low, high)
        line = json.dumps({"file": name, **facts}, ensure_ascii=False) + "\n"
        try:
            replace_file(path, encode_map(grey, facts))
            with self._table.open("ab" if self._begun else "wb", buffering=0) as table:
                table.write(line.encode("utf-8", "backslashreplace"))
        except OSError as exc:
            raise cannot_write("cannot write map", path, exc) from exc
        self._begun = True

    @override
    def _wanted_name(self, frame: Frame) -> Path:
        return super()._wanted_name(frame).with_suffix(".png")


def _facts(frame: Frame, explanation: Explanation, low: float, high: float) -> dict[str, Any]:
    return {
        "low": low,
        "high": high,
        "unit": explanation.unit,
        "method": explanation.method,
        "class_index": explanation.explained[0],
        "label": shown_label(explanation),
        "region": explanation.region.as_list(),
        **({} if explanation.roi is None else {"roi": explanation.roi.as_list()}),
        "source": frame.source,
        "index": frame.index,
        "pts_seconds": float(frame.pts_seconds),
    }
