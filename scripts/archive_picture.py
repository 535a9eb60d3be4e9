"""Make the README's picture of a report: ``python scripts/archive_picture.py [FOLDER]``.

Generated scenes are taken by a camera, twelve days long; on one of them it has slipped, so that
things stand at the edge of the picture. They are archived with the network in the box, and the
report's upper half is photographed in Chromium.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from live_gradcam.cli import run_command_line
from live_gradcam.native import cv2
from live_gradcam.scenes import SCENE_CLASSES, render_scene

PICTURE = Path(__file__).resolve().parents[1] / ".github" / "archive.jpg"
_CHROMIUM = "/usr/bin/chromium"
_BEGIN = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
_DAYS, _A_DAY, _SLIPPED = 12, 24, 8
_SIZE = 160
_LABELS = ("square", "star", "heart")
_WIDTH = 1100


def scenes(folder: Path) -> None:
    """Write the pictures, and boxes of what stands in them as COCO."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    seeds = itertools.count()
    for day in range(_DAYS):
        for number in range(_A_DAY):
            index = day * _A_DAY + number
            scene = next(
                each
                for each in (render_scene(s, width=_SIZE, height=_SIZE, objects=1) for s in seeds)
                if each.objects[0].label in _LABELS
            )
            shift = _SIZE * 2 // 5 if day == _SLIPPED else 0
            image = np.roll(scene.image, shift, 1)
            path = folder / ("hall" if number % 2 else "yard") / f"{day:02}-{number:02}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), image)
            taken = _BEGIN + timedelta(days=day, minutes=30 * number)
            os.utime(path, (taken.timestamp(), taken.timestamp()))
            name = path.relative_to(folder).as_posix()
            size = {"width": _SIZE, "height": _SIZE}
            images.append({"id": index, "file_name": name, **size})
            for each in scene.objects:
                rows, columns = np.nonzero(np.roll(each.mask, shift, 1))
                left, top = int(columns.min()), int(rows.min())
                width, height = int(columns.max()) - left + 1, int(rows.max()) - top + 1
                kind = SCENE_CLASSES.index(each.label)
                box = {"id": len(boxes), "image_id": index, "category_id": kind}
                boxes.append({**box, "bbox": [left, top, width, height]})
    categories = [{"id": i, "name": name} for i, name in enumerate(SCENE_CLASSES)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")


def report_of(folder: Path) -> Path:
    """Archive the pictures of a folder and write the report."""
    archive = ["archive", "hall", "yard", "-o", "cameras/", "--model", "scenes"]
    kept = ["--boxes", "boxes.json", "--maps", "--thumbnails", "--truth", "0.2"]
    before = Path.cwd()
    os.chdir(folder)
    try:
        for words in ([*archive, *kept], ["archive", "report", "cameras", "--overwrite"]):
            code = run_command_line(words)
            if code:
                raise SystemExit(code)
    finally:
        os.chdir(before)
    return folder / "report.html"


def photograph(page: Path, picture: Path) -> None:
    """Save the upper half of a page as a JPEG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": _WIDTH, "height": 800})
        tab.goto(page.as_uri())
        end = tab.locator("#removal").bounding_box()
        assert end is not None, "rows were tested"
        clip: Any = {"x": 0, "y": 0, "width": _WIDTH, "height": end["y"] - 20}
        tab.screenshot(path=picture, type="jpeg", quality=82, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="keep pictures, rows and report here")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        scenes(folder)
        photograph(report_of(folder.resolve()).resolve(), given.picture)


if __name__ == "__main__":
    main()
