"""An image file becomes the image that was meant, to the pixel, or one clear sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from live_gradcam.errors import SourceError
from live_gradcam.images import MAX_PIXELS, load_image, read_image
from live_gradcam.native import cv2
from scripts.faults.media import corners, quadrants

RGB = quadrants(64, 48)[..., ::-1]
UPRIGHT = ["red", "green", "blue", "grey"]


def encoded(image: Pillow.Image, format_name: str, **options: object) -> bytes:
    memory = io.BytesIO()
    image.save(memory, format_name, **options)
    return memory.getvalue()


def from_rgb() -> Pillow.Image:
    return Pillow.fromarray(np.ascontiguousarray(RGB))


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {"irreversible": False}),
    ],
)
def test_lossless_formats_are_exact(format_name: str, options: dict[str, object]) -> None:
    image = read_image(encoded(from_rgb(), format_name, **options))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, RGB[..., ::-1])


@pytest.mark.parametrize(
    ("format_name", "options"),
    [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {})],
)
def test_lossy_formats_look_alike(format_name: str, options: dict[str, object]) -> None:
    image = read_image(encoded(from_rgb(), format_name, **options))
    assert image.shape == (48, 64, 3)
    assert corners(image) == UPRIGHT


def test_paths_bytes_and_files_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(encoded(from_rgb(), "PNG"))
    with path.open("rb") as file:
        from_file = read_image(file)
    for image in (read_image(path), read_image(str(path)), read_image(path.read_bytes())):
        np.testing.assert_array_equal(image, from_file)


def test_real_photographs_match_opencv(shared: Path) -> None:
    for path in sorted((shared / "media/images").glob("*.jpg"))[:12]:
        np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    # What a camera held that way stores: the inverse of what a viewer must do.
    upright = from_rgb()
    stored = {
        1: upright,
        2: upright.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Pillow.Transpose.ROTATE_180),
        4: upright.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Pillow.Transpose.TRANSPOSE),
        6: upright.transpose(Pillow.Transpose.ROTATE_90),
        7: upright.transpose(Pillow.Transpose.TRANSVERSE),
        8: upright.transpose(Pillow.Transpose.ROTATE_270),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    for format_name in ("JPEG", "PNG", "WEBP"):
        image = read_image(encoded(stored, format_name, exif=exif.tobytes(), quality=95))
        assert image.shape == (48, 64, 3)
        assert corners(image) == UPRIGHT


def test_a_broken_exif_block_is_no_obstacle() -> None:
    data = encoded(from_rgb(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert corners(read_image(data)) == UPRIGHT


def ramp() -> np.ndarray:
    return np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(16, 0)


def png16(rows: np.ndarray, colour_type: int) -> bytes:
    """A 16-bit PNG, which Pillow cannot write in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = rows.shape[:2]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    "data",
    [
        encoded(Pillow.fromarray(ramp()), "PNG"),
        encoded(Pillow.fromarray(ramp()), "TIFF"),
        png16(ramp(), 0),
        png16(np.stack([ramp()] * 3, -1), 2),
        encoded(Pillow.fromarray(ramp().astype(np.int32)), "TIFF"),
        encoded(Pillow.fromarray((ramp() / 65535).astype(np.float32)), "TIFF"),
    ],
    ids=["grey png", "grey tiff", "own grey png", "colour png", "32-bit tiff", "float tiff"],
)
def test_deep_ramps_are_scaled(data: bytes) -> None:
    image = read_image(data)
    assert image.shape == (16, 256, 3)
    assert image.mean() == pytest.approx(127.3, abs=1)
    expected = np.broadcast_to(np.arange(256)[None, :, None], image.shape)
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_cmyk_becomes_what_it_prints() -> None:
    image = read_image(encoded(from_rgb().convert("CMYK"), "JPEG", quality=95))
    assert corners(image) == UPRIGHT
    image = read_image(encoded(from_rgb().convert("CMYK"), "TIFF"))
    np.testing.assert_array_equal(image, RGB[..., ::-1])


def test_palettes_bits_and_greys() -> None:
    assert corners(read_image(encoded(from_rgb().quantize(16), "PNG"))) == UPRIGHT
    grey = read_image(encoded(from_rgb().convert("L"), "PNG"))
    assert [int(grey[y, x, 0]) for y in (5, 40) for x in (5, 60)] == [76, 150, 29, 128]
    assert (grey[..., 0] == grey[..., 2]).all()
    bits = Pillow.fromarray(np.tile(np.array([[0, 255]], np.uint8), (8, 8))).convert("1")
    np.testing.assert_array_equal(read_image(encoded(bits, "PNG"))[0, :2, 1], [0, 255])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_lie_on_white(mode: str) -> None:
    layers = Pillow.new("RGBA", (30, 20), (0, 0, 0, 0))
    layers.paste((200, 200, 200, 255), (10, 0, 20, 20))
    layers.paste((0, 0, 0, 128), (20, 0, 30, 20))
    if mode == "P":
        flat = Pillow.new("P", (30, 20), 0)
        flat.putpalette([9, 9, 9, 200, 200, 200, 127, 127, 127])
        flat.paste(1, (10, 0, 20, 20))
        flat.paste(2, (20, 0, 30, 20))
        data = encoded(flat, "PNG", transparency=0)
    else:
        data = encoded(layers.convert(mode), "PNG")
    image = read_image(data)
    assert image[10, 5].tolist() == [255] * 3
    assert image[10, 15].tolist() == [200] * 3
    assert image[10, 25].tolist() == [127] * 3


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_image_is_taken(format_name: str) -> None:
    others = [Pillow.new("RGB", (64, 48), colour) for colour in ("white", "black")]
    options = {"save_all": True, "append_images": others, "quality": 95}
    image = load_image(encoded(from_rgb(), format_name, **options))
    assert corners(image.image) == UPRIGHT
    assert len(image.notes) == 1
    assert "first picture" in image.notes[0]
    assert load_image(encoded(from_rgb(), "PNG")).notes == ()


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        + struct.pack(">I", 0)
        + b"IDAT"
        + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


@pytest.mark.parametrize(
    "size", [(8000, 5001), (20_000, 20_000), (60_000, 60_000), (1, 50_000_000)]
)
def test_bombs_are_refused_from_their_header(size: tuple[int, int]) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    with pytest.raises(SourceError, match="megapixels"):
        read_image(bomb(*size))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_truncated_images_are_errors(format_name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    data = encoded(Pillow.fromarray(noise), format_name)
    for share in (0.9, 0.5, 0.2):
        with pytest.raises(SourceError, match=r"truncated|damaged") as caught:
            read_image(data[: int(len(data) * share)])
        assert caught.value.exit_code == 3
    with pytest.raises(SourceError, match="truncated"):
        read_image(encoded(Pillow.fromarray(noise), "JPEG")[:-400])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello there, I am a text\n" * 9, "text"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"),
        (bytes(100), "zeros"),
        (bytes(range(128, 255)) * 3, "neither"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        read_image(path)
    assert "picture.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_special_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(SourceError, match="not a regular file"):
        read_image(tmp_path)
