"""The rows of a part while it is explained: one for each frame, kept until the part is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from live_gradcam.archive.parts import ArchiveFile
from live_gradcam.archive.schema import FRAMES
from live_gradcam.archive.statistics import evidence_figures, share_on_objects
from live_gradcam.evaluate.annotations import Annotations, ImageAnnotation, object_mask, scale_to
from live_gradcam.images.geometry import scale_explanation
from live_gradcam.native import cv2
from live_gradcam.show.options import OverlayOptions
from live_gradcam.show.overlay import draw
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

THUMBNAIL_SIDE = 192
"""Longest side of a thumbnail in pixels."""

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def is_drawn(row_id: str, share: float) -> bool:
    """Return whether a row is among those that are tested: by its id, wherever it is explained.

    Args:
        row_id: The row's.
        share: Of all rows, 0..1.
    """
    digest = hashlib.sha256(row_id.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") < share * (1 << 56)


def row_id(file: str, frame: int) -> str:
    """Return the id of a row."""
    return f"{file}#{frame}"


class PartRows(Sink):
    """Sink that makes rows of explained frames, and keeps them in columns.

    Args:
        files: The files of the part, by the names that frames have as their source.
        times: Tells when a file's picture was taken, or its film begun; ``None`` if unknown.
        maps: Rows hold the map.
        thumbnails: Rows hold a small picture, drawn with these options; ``None`` for none.
        boxes: Where objects are; ``None`` if that is not known.

    Attributes:
        columns: Values by the names of `live_gradcam.archive.schema.FRAMES`.
        counts: Number of rows of each file.
    """

    needs_rendered = False

    def __init__(
        self,
        files: Mapping[str, ArchiveFile],
        times: Callable[[ArchiveFile], datetime | None],
        *,
        maps: bool = False,
        thumbnails: OverlayOptions | None = None,
        boxes: Annotations | None = None,
    ) -> None:
        left_out = set() if maps else {"map", "map_height", "map_width"}
        left_out |= set() if thumbnails is not None else {"thumbnail"}
        self.columns: dict[str, list[Any]] = {
            name: [] for name in FRAMES.names if name not in left_out
        }
        self.counts: dict[str, int] = {}
        self._files = files
        self._times = times
        self._maps = maps
        self._thumbnails = thumbnails
        self._boxes = boxes
        self._time_of: tuple[str, datetime | None] = ("", None)

    @property
    def description(self) -> str:
        """Number of the rows."""
        return f"{sum(self.counts.values())} rows"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Keep one row."""
        del rendered
        file = self._files[frame.source]
        row = self._row(file, frame, explanation)
        truth = (extra or {}).get("truth")
        row["removal_fall"] = None if truth is None else truth["drop"]
        row["removal_control"] = None if truth is None else truth["control_drop"]
        for name, values in self.columns.items():
            values.append(row.get(name))
        self.counts[file.file] = self.counts.get(file.file, 0) + 1

    def close(self) -> None:
        """Keep the rows."""

    def _row(self, file: ArchiveFile, frame: Frame, explanation: Explanation) -> dict[str, Any]:
        height, width = frame.image.shape[:2]
        evidence, region = explanation.evidence[0], explanation.region
        index = explanation.explained[0]
        said = next((p for p in explanation.predictions if p.class_index == index), None)
        film = file.kind == "film"
        row: dict[str, Any] = {
            "id": row_id(file.file, frame.index),
            "file": file.file,
            "folder": file.folder,
            "frame": frame.index,
            "time_s": frame.pts_seconds if film else None,
            "timestamp": self._timestamp(file, frame.pts_seconds if film else 0.0),
            "label_index": index,
            "label": said.label if said else next(iter(explanation.labels), None),
            "probability": said.probability if said else None,
            "score": said.logit if said else None,
            "top_labels": [each.label for each in explanation.predictions],
            "top_probabilities": [each.probability for each in explanation.predictions],
            **asdict(evidence_figures(evidence, region, width, height)),
            "box_share": self._box_share(file, explanation, width, height),
        }
        if self._maps:
            row["map"] = evidence.astype(np.float16).ravel()
            row["map_height"], row["map_width"] = evidence.shape
        if self._thumbnails is not None:
            row["thumbnail"] = _thumbnail(frame.image, explanation, self._thumbnails)
        return row

    def _timestamp(self, file: ArchiveFile, seconds: float) -> datetime | None:
        if self._time_of[0] != file.file:
            self._time_of = (file.file, self._times(file))
        begun = self._time_of[1]
        return None if begun is None else begun + timedelta(seconds=seconds)

    def _box_share(
        self, file: ArchiveFile, explanation: Explanation, width: int, height: int
    ) -> float | None:
        annotation = self._boxes.find(file.name) if self._boxes is not None else None
        mask = None if annotation is None else objects_mask(annotation, width, height)
        if mask is None:
            return None
        return share_on_objects(explanation.evidence[0], mask, explanation.region)


def objects_mask(annotation: ImageAnnotation, width: int, height: int) -> np.ndarray | None:
    """Return where any object is, ``bool (height, width)``; ``None`` where nothing is annotated.

    Objects of a picture of another shape than this one are of another picture: ``None`` as well.
    """
    scale = scale_to(annotation.size, width, height)
    if scale is None or not annotation.objects:
        return None
    masks = [object_mask(each, (width, height), scale) for each in annotation.objects]
    return np.asarray(np.logical_or.reduce(masks))


def modified_at(file: ArchiveFile) -> datetime | None:
    """Return the time of a file's last change, to the microsecond."""
    if file.modified_ns is None:
        return None
    return _EPOCH + timedelta(microseconds=file.modified_ns // 1000)


def _thumbnail(image: Image, explanation: Explanation, options: OverlayOptions) -> bytes:
    height, width = image.shape[:2]
    shrink = min(1.0, THUMBNAIL_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    seen = scale_explanation(explanation, size[0] / width, size[1] / height)
    return bytes(cv2.imencode(".jpg", draw(small, seen, options=options), _JPEG)[1].tobytes())
