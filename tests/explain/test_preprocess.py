"""Frames become the network's pixels as torchvision's own evaluation transform makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image as PilImages
from torchvision import models, transforms

from live_gradcam.errors import ModelError
from live_gradcam.explain.frame_plan import plan_frame, prepare_batch
from live_gradcam.images.read import from_pillow
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Interpolation, Preprocessing

SIZES = [(1280, 720), (640, 480), (1920, 1080), (160, 120), (333, 517), (256, 256), (721, 1283)]


def prepared(image: np.ndarray, preprocessing: Preprocessing, view: str = "crop") -> np.ndarray:
    plan = plan_frame(*image.shape[:2], preprocessing, view)
    return prepare_batch([image], [plan])[0].numpy()


def torchvision_crop(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    steps = transforms.Compose(
        [
            transforms.Resize(
                preprocessing.resize_size,
                interpolation=transforms.InterpolationMode(preprocessing.interpolation),
            ),
            transforms.CenterCrop(preprocessing.crop_size),
        ]
    )
    rgb = PilImages.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    return np.asarray(steps(rgb))[:, :, ::-1]


def difference(found: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    apart = np.abs(found.astype(int) - expected)
    return float(apart.mean()), int(apart.max())


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_crop_is_torchvision_s_on_real_photographs(
    shared: Path, size: tuple[int, int], interpolation: Interpolation
) -> None:
    preprocessing = Preprocessing(interpolation=interpolation)
    for path in sorted((shared / "media" / "images").glob("*.jpg"))[:4]:
        photograph = cv2.imread(str(path))
        assert photograph is not None
        frame = cv2.resize(photograph, size, interpolation=cv2.INTER_CUBIC)
        mean, largest = difference(
            prepared(frame, preprocessing), torchvision_crop(frame, preprocessing)
        )
        assert mean < 0.4
        assert largest <= 1


@settings(max_examples=60, deadline=None)
@given(
    width=strategies.integers(8, 700),
    height=strategies.integers(8, 700),
    sizes=strategies.sampled_from([(256, 224), (232, 224), (236, 224), (342, 299), (64, 64)]),
)
def test_crop_is_torchvision_s_at_any_size(width: int, height: int, sizes: tuple[int, int]) -> None:
    preprocessing = Preprocessing(*sizes)
    generator = np.random.default_rng(width * 1000 + height)
    coarse = generator.integers(0, 256, (5, 7, 3), np.uint8)
    frame = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    if max(width, height) > 20 * min(width, height):
        return  # torchvision would build a picture of gigabytes
    mean, largest = difference(
        prepared(frame, preprocessing), torchvision_crop(frame, preprocessing)
    )
    assert mean < 0.5
    assert largest <= 2, "each of both passes, over rows and over columns, rounds once"


@pytest.mark.parametrize("view", ["crop", "stretch", "full"])
@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (2, 3), (4000, 10)])
def test_slivers_work_in_every_view(view: str, size: tuple[int, int]) -> None:
    frame = np.full((size[1], size[0], 3), 77, np.uint8)
    plan = plan_frame(size[1], size[0], Preprocessing(), view)
    pixels = prepare_batch([frame], [plan]).numpy()
    assert (pixels == 77).all()
    assert plan.region.x + plan.region.width <= size[0]
    assert plan.region.y + plan.region.height <= size[1]
    assert pixels.size <= 4 * 224 * 224 * 3


def test_region_is_the_visible_centre() -> None:
    region = plan_frame(720, 1280, Preprocessing(), "crop").region
    assert (region.width, region.height) == (630, 630)
    assert abs(region.x + region.width / 2 - 640) <= 2
    assert abs(region.y + region.height / 2 - 360) <= 1


def test_region_is_what_is_seen() -> None:
    """Painting outside of the region changes nothing that matters; inside it does."""
    frame = np.full((300, 500, 3), 90, np.uint8)
    region = plan_frame(300, 500, Preprocessing(), "crop").region
    inside = (
        slice(region.y, region.y + region.height),
        slice(region.x, region.x + region.width),
    )
    outside = np.full_like(frame, 255)
    outside[inside] = frame[inside]
    changed = prepared(outside, Preprocessing()) != 90
    assert not changed[3:-3, 3:-3].any()
    frame[inside] = 200
    assert (prepared(frame, Preprocessing())[3:-3, 3:-3] == 200).all()


@pytest.mark.parametrize("view", ["stretch", "full"])
def test_whole_frame_views_see_the_whole_frame(view: str) -> None:
    plan = plan_frame(720, 1280, Preprocessing(), view)
    assert plan.region.as_list() == [0, 0, 1280, 720]
    assert (plan.height, plan.width) == {"stretch": (224, 224), "full": (224, 384)}[view]


def test_a_batch_of_several_sizes_is_what_each_gives_alone() -> None:
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((90, 70), (300, 400))]
    plans = [plan_frame(*frame.shape[:2], Preprocessing(), "crop") for frame in frames]
    together = prepare_batch(frames, plans).numpy()
    for position, frame in enumerate(frames):
        assert (together[position] == prepared(frame, Preprocessing())).all()


def test_views_and_read_only_frames_are_taken_as_they_look() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    mirrored = frame[:, ::-1]
    frozen = frame.copy()
    frozen.flags.writeable = False
    expected = prepared(np.ascontiguousarray(mirrored), Preprocessing())
    assert (prepared(mirrored, Preprocessing()) == expected).all()
    assert (prepared(frozen, Preprocessing()) == prepared(frame, Preprocessing())).all()


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "inception_v3", "convnext_tiny"])
def test_numbers_come_from_the_weights_own_transform(name: str) -> None:
    transform = models.get_model_weights(name).DEFAULT.transforms()
    found = Preprocessing.from_transform(transform)
    assert [found.resize_size] == transform.resize_size
    assert [found.crop_size] == transform.crop_size
    assert list(found.mean) == transform.mean
    assert found.interpolation == transform.interpolation.value


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop_size": 0},
        {"resize_size": 100},
        {"std": (0.2, 0.0, 0.2)},
        {"interpolation": "sharp"},
        {"mean": (float("nan"), 0.0, 0.0)},
    ],
)
def test_numbers_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ModelError, match=name):
        Preprocessing(**wrong)


def test_pil_pictures_become_upright_bgr_on_white() -> None:
    picture = PilImages.new("RGBA", (4, 2), (255, 0, 0, 255))
    picture.putpixel((3, 1), (0, 0, 0, 0))
    exif = PilImages.Exif()
    exif[0x0112] = 6  # turned a quarter
    picture.info["exif"] = exif.tobytes()
    image = from_pillow(picture).image
    assert image.shape in ((4, 2, 3), (2, 4, 3))
    assert sorted(map(tuple, image.reshape(-1, 3).tolist())) == [(0, 0, 255)] * 7 + [
        (255, 255, 255)
    ]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(1, -1)
    image = from_pillow(PilImages.fromarray(ramp)).image
    assert abs(image.mean() - 127) < 1


@pytest.mark.parametrize("view", ["stretch", "full"])
def test_pictures_of_the_network_s_size_stay_what_they_are(view: str) -> None:
    preprocessing = Preprocessing(resize_size=256, crop_size=224)
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    plan = plan_frame(224, 224, preprocessing, view)
    assert np.array_equal(prepare_batch([image], [plan])[0].numpy(), image)
    mirrored = image[:, ::-1]
    assert np.array_equal(prepare_batch([mirrored], [plan])[0].numpy(), mirrored)
