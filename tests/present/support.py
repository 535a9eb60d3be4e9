"""Explanations of real networks, and pictures that they remember."""

from __future__ import annotations

from functools import lru_cache

import live_gradcam as lg
from live_gradcam.scenes import render_scene
from live_gradcam.values import Explanation, Image


@lru_cache(maxsize=1)
def explainer() -> lg.Explainer:
    """The network in the box."""
    return lg.Explainer(lg.load_classifier("scenes"), precision="fp32", compile="off")


@lru_cache(maxsize=1)
def scene() -> Image:
    """A house and a triangle, 320x240."""
    return render_scene(14, width=320, height=240, objects=2).image


@lru_cache(maxsize=1)
def explained() -> Explanation:
    """The best three classes of the scene."""
    return explainer().explain(scene(), classes="top")
