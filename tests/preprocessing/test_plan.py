"""The part of a frame that the network is shown is what PIL's resize of the whole frame gives."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies
from PIL import Image as PilImages

from live_gradcam.preprocessing.plan import plan_frame, prepare_pixels
from live_gradcam.preprocessing.settings import Interpolation, Preprocessing


def by_pil(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Torchvision's Resize of the short side and its CenterCrop, of the whole image."""
    height, width = image.shape[:2]
    size, crop = preprocessing.resize_size, preprocessing.crop_size
    assert isinstance(size, int)
    assert isinstance(crop, int)
    long = int(size * max(height, width) / min(height, width))
    resized = (size, long) if width <= height else (long, size)
    filter_of = PilImages.Resampling[preprocessing.interpolation.upper()]
    whole = np.asarray(PilImages.fromarray(image).resize(resized, filter_of))
    top, left = (round((side - crop) / 2.0) for side in whole.shape[:2])
    return whole[top : top + crop, left : left + crop]


@settings(max_examples=120, deadline=None)
@given(
    height=strategies.integers(40, 500),
    width=strategies.integers(40, 500),
    sizes=strategies.sampled_from([(256, 224), (232, 224), (64, 64), (73, 48), (120, 32)]),
    interpolation=strategies.sampled_from(get_args(Interpolation)),
)
@example(height=720, width=1280, sizes=(256, 224), interpolation="bilinear")
@example(height=480, width=640, sizes=(256, 224), interpolation="bicubic")
@example(height=224, width=224, sizes=(224, 224), interpolation="lanczos")
@example(height=256, width=399, sizes=(256, 224), interpolation="nearest")
def test_the_part_equals_the_whole(
    height: int, width: int, sizes: tuple[int, int], interpolation: Interpolation
) -> None:
    preprocessing = Preprocessing(*sizes, interpolation=interpolation, resample="pil")
    image = np.random.default_rng(height * 1000 + width).integers(
        0, 256, (height, width, 3), np.uint8
    )
    plan = plan_frame(height, width, preprocessing, "crop")
    (found,) = prepare_pixels([image], [plan])
    expected = by_pil(image, preprocessing)
    assert np.array_equal(found, expected)
    # Where the same bits are not asked for, single pixels may be rounded the other way.
    quick = plan_frame(height, width, replace(preprocessing, resample="torch"), "crop")
    (found,) = prepare_pixels([image], [quick])
    apart = np.abs(found.astype(int) - expected)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= 0.01 * apart.size


@pytest.mark.parametrize("view", ["stretch", "full"])
def test_whole_frame_views_are_one_resize(view: str) -> None:
    image = np.random.default_rng(3).integers(0, 256, (300, 500, 3), np.uint8)
    plan = plan_frame(300, 500, Preprocessing(), view)
    (found,) = prepare_pixels([image], [plan])
    resized = PilImages.fromarray(image).resize(
        (plan.width, plan.height), PilImages.Resampling.BILINEAR
    )
    assert np.array_equal(found, np.asarray(resized))
    assert plan.region.as_list() == [0, 0, 500, 300]


def test_mirrored_and_read_only_frames_are_taken_as_they_look() -> None:
    image = np.random.default_rng(4).integers(0, 256, (90, 120, 3), np.uint8)
    mirrored = image[:, ::-1]
    mirrored.flags.writeable = False
    preprocessing = Preprocessing(48, 40, resample="pil")
    plan = plan_frame(90, 120, preprocessing, "crop")
    (found,) = prepare_pixels([mirrored], [plan])
    assert np.array_equal(found, by_pil(np.ascontiguousarray(mirrored), preprocessing))
