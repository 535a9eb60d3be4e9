"""Fixtures of a session: a small explainer and an image for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.explain.explainer import Explainer
from live_gradcam.values import Image
from tests.helpers.live import tiny_classifier


@pytest.fixture(scope="session")
def explainer() -> Iterator[Explainer]:
    with Explainer(tiny_classifier(), compile="off", precision="fp32") as made:
        yield made


@pytest.fixture(scope="session")
def image() -> Image:
    with SceneSource(seed=1, width=320, height=240, max_frames=1) as scene:
        return next(iter(scene)).image
