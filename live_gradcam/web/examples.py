"""Examples for the page, drawn by the package itself: no network, no licence, known truth."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene

# Seed and number of objects: with several objects, each of the best classes has a map of its own.
_SCENES = ((7, 2), (2, 3), (10, 3), (9, 2), (3, 1), (8, 1))


def make_examples(folder: Path) -> list[Path]:
    """Write a few generated scenes as pictures.

    Args:
        folder: Where; created if it is not there.

    Returns:
        The files, PNG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (seed, objects) in enumerate(_SCENES, 1):
        path = folder / f"scene-{place}.png"
        image = render_scene(seed, width=640, height=480, objects=objects).image
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        paths.append(path)
    return paths
