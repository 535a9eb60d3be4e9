"""The classes of the generated scenes keep to their size."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.scenes.shapes import build_glyph


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("class_index", range(len(SCENE_CLASSES)), ids=SCENE_CLASSES)
def test_shapes_fill_their_radius_and_stay_inside(class_index: int, drawn: bool) -> None:
    for seed in range(12):
        rng = np.random.Generator(np.random.PCG64(seed))
        glyph = build_glyph(rng, class_index, drawn=drawn, turn=0.5 * seed)
        reach = max(np.hypot(*p.points.T).max() + 0.5 * p.width for p in glyph.primitives)
        assert 0.7 <= reach <= 1.4
        assert all(np.isfinite(p.points).all() for p in glyph.primitives)
