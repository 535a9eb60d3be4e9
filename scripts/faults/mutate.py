"""Seeded damage to media files: the same seed and number always give the same broken file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image as Pillow

from scripts.faults.media import counting_image, quadrants, write_film, write_sound

Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]

_BOUNDARY_VALUES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _flip_bits(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    broken = bytearray(data)
    for _ in range(random.choice((1, 2, 8, 64))):
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    return bytes(broken)


def _flip_header_bits(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    broken = bytearray(data)
    for _ in range(random.choice((1, 2, 4))):
        broken[random.randrange(min(len(broken), 600))] ^= 1 << random.randrange(8)
    return bytes(broken)


def _truncate(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data))]


def _span(random: Random, data: bytes) -> tuple[int, int]:
    begin = random.randrange(len(data))
    return begin, min(len(data), begin + random.choice((4, 64, 1024, 16_384)))


def _zero_span(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + bytes(end - begin) + data[end:]


def _noise_span(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + random.randbytes(end - begin) + data[end:]


def _cut_span_out(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + data[end:]


def _repeat_span(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    begin, end = _span(random, data)
    return data[:end] + data[begin:end] * random.choice((1, 3)) + data[end:]


def _boundary_number(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    broken = bytearray(data)
    for _ in range(random.choice((1, 3))):
        at = random.randrange(min(len(data), random.choice((200, 4000, len(data)))))
        size = random.choice((1, 2, 4))
        value = random.choice(_BOUNDARY_VALUES) & (256**size - 1)
        broken[at : at + size] = value.to_bytes(size, random.choice(("big", "little")))
    return bytes(broken)


def _tail_numbers(random: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    # Many containers keep their index at the end.
    head, tail = data[: -len(data) // 4], data[-len(data) // 4 :]
    return head + _boundary_number(random, tail or b"\0", ())


def _splice_header(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    cut = random.choice((8, 64, 512, 4096))
    return other[:cut] + data[cut:]


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _flip_header_bits,
    _truncate,
    _zero_span,
    _noise_span,
    _cut_span_out,
    _repeat_span,
    _boundary_number,
    _tail_numbers,
    _splice_header,
)


def mutated(originals: Sequence[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """Broken file number n: its extension and its bytes; one to three kinds of damage."""
    random = Random(f"{seed}/{number}")
    suffix, data = originals[number % len(originals)]
    others = [other for _, other in originals]
    for _ in range(random.choice((1, 1, 2, 3))):
        data = random.choice(MUTATIONS)(random, data, others) or b"\0"
    return suffix, data


def _moving(number: int, width: int, height: int) -> np.ndarray:
    image = quadrants(width, height)
    image[:, (number * 5) % width :][:, :8] = 255
    return image


# (file name, options of write_film)
_FILMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plain.mp4", {"audio_tracks": 1}),
    ("fast.mp4", {"container_options": {"movflags": "faststart"}}),
    ("fragments.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    ("b.mp4", {"options": {"x264-params": "bframes=3:b-adapt=0:open-gop=1:keyint=8"}}),
    ("turned.mov", {"rotation": 90}),
    ("h264.mkv", {"audio_tracks": 1}),
    ("vp9.webm", {"codec": "libvpx-vp9"}),
    ("mpeg4.avi", {"codec": "mpeg4"}),
    ("h264.ts", {}),
    ("mpeg2.mpg", {"codec": "mpeg2video"}),
    ("h264.flv", {}),
    ("rle.mov", {"codec": "qtrle", "pix_fmt": "argb"}),
    ("ffv1.mkv", {"codec": "ffv1", "width": 63, "height": 47}),
    ("prores.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    ("raw.h264", {}),
    ("raw.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("huffyuv.nut", {"codec": "huffyuv", "pix_fmt": "yuv422p"}),
    ("wmv2.wmv", {"codec": "wmv2"}),
)


def film_originals(folder: Path) -> list[tuple[str, bytes]]:
    """Small whole films in many containers, and a file with sound only."""
    paths = [
        write_film(folder / name, frames=24, image=_moving, **options) for name, options in _FILMS
    ]
    paths.append(write_sound(folder / "sound.m4a"))
    return [(path.suffix, path.read_bytes()) for path in paths]


def image_originals() -> list[tuple[str, bytes]]:
    """Small whole images in many formats."""
    generator = np.random.default_rng(5)
    noisy = quadrants(90, 60)[..., ::-1] // 2 + generator.integers(0, 99, (60, 90, 3), np.uint8)
    rgb = Pillow.fromarray(np.ascontiguousarray(noisy, np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(Pillow.fromarray(counting_image(9, 90, 60)[..., 0]))
    deep = Pillow.fromarray(generator.integers(0, 65536, (60, 90), dtype=np.uint16))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    several: dict[str, object] = {"save_all": True, "append_images": [rgb.rotate(180)]}
    made: list[tuple[str, Pillow.Image, dict[str, object]]] = [
        ("JPEG", rgb, {}),
        ("JPEG", rgb, {"progressive": True, "exif": exif.tobytes()}),
        ("JPEG", rgb.convert("CMYK"), {}),
        ("JPEG", rgb.convert("L"), {}),
        ("PNG", rgb, {}),
        ("PNG", rgba, {"exif": exif.tobytes()}),
        ("PNG", deep, {}),
        ("PNG", rgb.quantize(16), {"transparency": 3}),
        ("PNG", rgb, several),
        ("GIF", rgb, several),
        ("WEBP", rgba, {"lossless": True}),
        ("WEBP", rgb, several),
        ("TIFF", rgb, {"compression": "tiff_lzw", "exif": exif.tobytes()}),
        ("TIFF", rgb, {"compression": "jpeg"}),
        ("TIFF", deep, {"compression": "tiff_deflate"}),
        ("TIFF", rgb, several),
        ("BMP", rgb.quantize(16), {}),
        ("PPM", rgb, {}),
        ("JPEG2000", rgb, {}),
        ("AVIF", rgb, {}),
    ]
    originals = []
    for format_name, image, options in made:
        memory = io.BytesIO()
        image.save(memory, format_name, **options)
        originals.append((f".{format_name.lower()}", memory.getvalue()))
    return originals
