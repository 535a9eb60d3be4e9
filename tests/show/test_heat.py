"""Heat is enlarged to the pixel and has a colour for every name."""

from __future__ import annotations

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.show.heat import normalise, upsample


def test_upsampling_agrees_with_smooth_interpolation_of_the_whole_map() -> None:
    heat = normalise(np.random.default_rng(3).normal(size=(7, 7)).astype(np.float32), 2.0)
    direct = np.clip(cv2.resize(heat, (280, 200), interpolation=cv2.INTER_CUBIC), 0, 1) * 255
    assert np.abs(upsample(heat, 280, 200).astype(float) - direct).max() < 12
    assert np.abs(upsample(heat, 280, 200).astype(float) - direct).mean() < 1.5
