"""Archives of made-up rows, written with pyarrow alone: what a report is compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from live_gradcam.archive.schema import FILES, FRAMES
from live_gradcam.native import cv2

BEGIN = datetime(2026, 3, 1, 9, tzinfo=timezone.utc)
ODD_DAY = 6
CLASSES = ("mug", "lamp", "chair", "plant")

Row = dict[str, Any]


def thumbnail(number: int) -> bytes:
    """A small JPEG."""
    image = np.full((60, 80, 3), (number * 37 % 255, 120, 200), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def made_rows(films: int = 24, frames: int = 60, *, seed: int = 5) -> list[Row]:
    """Rows of films, two a day; on one day the camera has moved, and the network goes by the wall.

    Figures are random numbers, so that no two agree by chance.
    """
    random = np.random.default_rng(seed)
    rows = []
    for film in range(films):
        file = f"hall/{'east' if film % 2 else 'west'}/{film:03}.mp4"
        begin = BEGIN + timedelta(days=film // 2, hours=film % 2)
        odd = film // 2 == ODD_DAY
        for frame in range(frames):
            index = int(random.choice(4, p=[0.1, 0.7, 0.1, 0.1] if odd else [0.5, 0.2, 0.2, 0.1]))
            probability = float(random.beta(8, 2) if not odd else random.beta(3, 3))
            border = float(random.beta(9, 2) if odd else random.beta(2, 8))
            tested = frame % 10 == 0
            evidence = random.normal(0.0, 0.3, (7, 7))
            evidence[2:5, 1 + index : 3 + index] += 2.0
            rows.append(
                {
                    "id": f"{file}#{frame}",
                    "file": file,
                    "folder": file.rpartition("/")[0],
                    "frame": frame,
                    "time_s": frame / 2,
                    "timestamp": begin + timedelta(seconds=frame / 2),
                    "label": CLASSES[index],
                    "label_index": index,
                    "probability": probability,
                    "score": 3.0,
                    "top_labels": [CLASSES[index]],
                    "top_probabilities": [probability],
                    "positive_share": float(random.beta(6, 2)),
                    "concentration": float(random.random()),
                    "center_x": float(random.beta(5, 5)),
                    "center_y": float(random.beta(5, 5)),
                    "box_share": float(random.beta(6, 2)) if film % 3 == 0 else None,
                    "border_share": border,
                    "removal_fall": float(random.beta(4, 4)) if tested else None,
                    "removal_control": float(random.beta(1, 9)) if tested else None,
                    "removal_verdict": ("decides" if film % 3 else "counts") if tested else None,
                    "map": evidence.astype(np.float16).ravel(),
                    "map_height": 7,
                    "map_width": 7,
                    "thumbnail": thumbnail(film),
                }
            )
    return rows


def file_row(file: str, frames: int, **more: object) -> Row:
    """A row of the table of files."""
    row: Row = {
        "file": file,
        "folder": file.rpartition("/")[0],
        "kind": "film" if file.endswith(".mp4") else "picture",
        "size": 1000,
        "modified": BEGIN,
        "status": "ok",
        "error": "",
        "frames": frames,
        "seconds": 0.5,
    }
    return row | more


def write_archive(
    folder: Path, rows: Sequence[Row], files: Sequence[Row], *, without: Sequence[str] = ()
) -> Path:
    """Write an archive, each film a part of its own, and all pictures one.

    Args:
        folder: Where.
        rows: Of the table of frames.
        files: Of the table of files.
        without: Columns of frames that are null.
    """
    for name in ("frames/kind=frame", "frames/kind=picture", "files"):
        (folder / name).mkdir(parents=True)
    parts: dict[str, list[Row]] = {}
    for each in files:
        own = each["file"].replace("/", "-")[-60:] if each["kind"] == "film" else "pictures"
        parts.setdefault(own, []).append(each | {"part": own})
    for part, listed in parts.items():
        names = {each["file"] for each in listed}
        own_rows = [each for each in rows if each["file"] in names]
        kind = "frame" if listed[0]["kind"] == "film" else "picture"
        _write(folder / f"frames/kind={kind}/part-{part}.parquet", FRAMES, own_rows, without)
        _write(folder / f"files/part-{part}.parquet", FILES, listed)
    manifest = {"format": 1, "model": {"name": "scenes"}, "versions": {"torch": "2.14"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _write(path: Path, schema: pa.Schema, rows: Sequence[Row], without: Sequence[str] = ()) -> None:
    columns = [
        pa.array([None if each.name in without else row.get(each.name) for row in rows], each.type)
        for each in schema
    ]
    parquet.write_table(pa.Table.from_arrays(columns, names=schema.names), path)


def write_films(folder: Path, rows: Sequence[Row], *, without: Sequence[str] = ()) -> Path:
    """Write an archive of films that were all read, with what was explained of them."""
    frames: dict[str, int] = {}
    for each in rows:
        frames[each["file"]] = frames.get(each["file"], 0) + 1
    files = [file_row(name, count) for name, count in frames.items()]
    return write_archive(folder, rows, files, without=without)
