"""Pictures of more than 8 bits are the same from files and from Pillow; a guess is noted."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from live_gradcam.images.inputs import take_image
from live_gradcam.images.read import from_pillow, load_image
from live_gradcam.native import cv2

RAMP = np.tile(np.arange(256, dtype=np.uint8), (16, 1))


def deep(bits: int) -> np.ndarray:
    """A ramp from black to white of so many bits."""
    levels: np.ndarray = np.rint(RAMP / 255 * (2**bits - 1))
    return levels.astype(np.uint16)


def png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_fewer_bits_in_a_file_of_16(bits: int, channels: int) -> None:
    pixels = deep(bits)
    if channels > 1:
        pixels = np.dstack([pixels] * 3 + [np.full_like(pixels, 65535)] * (channels - 3))
    loaded = load_image(png(pixels))
    np.testing.assert_allclose(loaded.image.astype(int), np.dstack([RAMP] * 3), atol=1)
    assert len(loaded.notes) == (bits < 16)
    assert bits == 16 or str(2**bits - 1) in loaded.notes[0]


def test_colours_of_16_bits_stay_where_they_are() -> None:
    pixels = np.zeros((8, 8, 4), np.uint16)
    pixels[...] = (0, 30_000, 65_535, 65_535)
    pixels[4:, :, 3] = 0
    loaded = load_image(png(pixels))
    assert loaded.image[1, 1].tolist() == [0, 117, 255]
    assert loaded.image[6, 1].tolist() == [255, 255, 255]
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("mode", "values", "guessed"),
    [
        ("F", RAMP / np.float32(255), False),
        ("F", RAMP.astype(np.float32), False),
        ("F", RAMP.astype(np.float32) + np.float32(0.25) * (RAMP == 9), True),
        ("I", deep(16).astype(np.int32), False),
        ("I", deep(12).astype(np.int32), True),
        ("I", RAMP.astype(np.int32), True),
        ("I;16", deep(16), False),
        ("I;16", deep(12), True),
        ("F", RAMP.astype(np.float32) - 100, True),
    ],
)
def test_modes_of_pillow(mode: str, values: np.ndarray, guessed: bool) -> None:
    picture = Pillow.fromarray(values)
    assert picture.mode == mode
    loaded = from_pillow(picture)
    np.testing.assert_allclose(loaded.image.astype(int), np.dstack([RAMP] * 3), atol=1)
    if guessed:
        assert len(loaded.notes) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_a_picture_of_pillow_is_what_its_file_is(mode: str, tmp_path: Path) -> None:
    colours = np.dstack([RAMP, RAMP[:, ::-1], np.full_like(RAMP, 80)])
    picture = Pillow.fromarray(colours).convert("P" if mode == "PA" else mode)
    if mode == "PA":
        picture = picture.convert("PA")
    if mode in ("LA", "RGBA", "PA"):
        picture.putalpha(128)
    stored = io.BytesIO()
    can_be_png = mode not in ("CMYK", "YCbCr", "HSV", "PA")
    kept = picture if can_be_png else picture.convert("RGBA" if mode == "PA" else "RGB")
    kept.save(stored, "PNG")
    np.testing.assert_array_equal(from_pillow(picture).image, load_image(stored.getvalue()).image)


def test_rotation_in_exif_is_followed() -> None:
    picture = Pillow.fromarray(np.dstack([RAMP] * 3))
    exif = picture.getexif()
    exif[0x0112] = 6
    stored = io.BytesIO()
    picture.save(stored, "PNG", exif=exif)
    opened = Pillow.open(io.BytesIO(stored.getvalue()))
    np.testing.assert_array_equal(from_pillow(opened).image, load_image(stored.getvalue()).image)
    assert from_pillow(opened).image.shape == (256, 16, 3)


def test_deep_tiffs_in_colour() -> None:
    pixels = np.dstack([deep(12)] * 3)
    data = bytes(cv2.imencode(".tif", pixels)[1])
    loaded = load_image(data)
    np.testing.assert_allclose(loaded.image.astype(int), np.dstack([RAMP] * 3), atol=1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_array_is_what_its_file_is(channels: int, order: str) -> None:
    pixels = np.dstack([deep(12)] * channels)
    if channels == 4:
        pixels[..., 3] = 65535
        pixels[:4, :, 3] = 0
    loaded, taken = load_image(png(pixels)), take_image(pixels.astype(f"{order}u2"))
    np.testing.assert_array_equal(taken.image, loaded.image)
    assert len(taken.notes) == len(loaded.notes) == 1
