"""What an exported file is checked and calibrated on: the user's pictures, and generated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from live_gradcam.preprocessing.plan import plan_frame, prepare_pixels
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image

_SIDE = 320


def network_pixels(images: Sequence[Image], preprocessing: Preprocessing) -> Image:
    """Return images as a graph takes them, ``uint8 (N, H, W, 3)`` RGB of the network's size."""
    plans = [plan_frame(*image.shape[:2], preprocessing, "crop") for image in images]
    return np.ascontiguousarray(prepare_pixels(images, plans)[..., ::-1])


def generated(count: int, *, seed: int = 0) -> list[Image]:
    """Return generated scenes, BGR: drawn objects before backgrounds of many kinds."""
    return [render_scene(seed + place, width=_SIDE, height=_SIDE).image for place in range(count)]


def patterns(height: int, width: int) -> Image:
    """Return what no camera shows, ``uint8 (4, height, width, 3)`` RGB: the ends of the range."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ramp = np.broadcast_to(
        np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, width, 3)
    )
    black = np.zeros((height, width, 3), np.uint8)
    return np.stack([noise, ramp, black, np.full_like(black, 255)])
