"""Files become the pixels that Python reads from them, whatever kind of picture they hold."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from live_gradcam.images import read_image
from live_gradcam.scenes import render_scene

from .visits import READ, Visit


@pytest.fixture(scope="module")
def address(small: str) -> str:
    """No network takes part."""
    return small


DECODE = (
    """async (file) => {"""
    + READ
    + """
  const { decode } = await import("./js/picture.js");
  const { pixelsOf } = await import("./js/pixels.js");
  const bitmap = await decode(new Blob([bytesOf(file)]), "picture", 1e8);
  const { data, width, height } = pixelsOf(bitmap);
  bitmap.close();
  return { data: written(data), width, height };
}"""
)


def turned(picture: Pillow.Image) -> dict[str, Any]:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    return {"exif": exif.tobytes()}


def profiled(picture: Pillow.Image) -> dict[str, Any]:
    """A profile of another colour space: the file's own numbers are what networks have learned."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return {"icc_profile": profile.tobytes()}


def faded(picture: Pillow.Image) -> Pillow.Image:
    """Transparent to the left."""
    alpha = np.linspace(0, 255, picture.width).round().astype(np.uint8)
    picture.putalpha(Pillow.fromarray(np.tile(alpha, (picture.height, 1))))
    return picture


def deep(picture: Pillow.Image) -> Pillow.Image:
    """16 bits of grey."""
    return Pillow.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("kind", "change", "extra", "apart"),
    [
        ("PNG", None, None, 0),
        ("PNG", None, turned, 0),
        ("PNG", None, profiled, 0),
        ("PNG", faded, None, 2),
        ("PNG", deep, None, 0),
        ("PNG", lambda picture: picture.convert("L"), None, 0),
        ("PNG", lambda picture: picture.convert("P"), None, 0),
        ("JPEG", None, turned, 8),
        ("JPEG", lambda picture: picture.convert("L"), None, 2),
        ("JPEG", lambda picture: picture.convert("CMYK"), None, 12),
    ],
    ids=[
        "plain",
        "turned",
        "profile",
        "transparent",
        "16 bits",
        "grey",
        "palette",
        "turned JPEG",
        "grey JPEG",
        "CMYK",
    ],
)
def test_a_file_is_decoded_as_in_python(
    visit: Visit, kind: str, change: Any, extra: Any, apart: int
) -> None:
    """Grey levels apart are those of two JPEG decoders, or of two roundings of a blend."""
    picture = Pillow.fromarray(
        np.ascontiguousarray(render_scene(7, width=96, height=64).image[..., ::-1])
    )
    if change:
        picture = change(picture)
    stored = io.BytesIO()
    # No chroma is dropped: how browsers bring it back is their own.
    more = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    picture.save(stored, kind, **more, **(extra(picture) if extra else {}))
    data = stored.getvalue()

    found = visit.run(DECODE, base64.b64encode(data).decode())

    expected = read_image(data)
    pixels = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    assert (found["height"], found["width"]) == expected.shape[:2]
    pixels = pixels.reshape(*expected.shape[:2], 4)[..., 2::-1]
    assert np.abs(pixels.astype(int) - expected).max() <= apart
