"""Raw video: frames without a container, whose size and pixels are said beside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.capture.pipes import open_pipe
from live_gradcam.capture.raw import RawFormat
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.values import Image
from tests.capture.test_pipes import piped


def pictures(count: int = 5, width: int = 40, height: int = 30) -> list[Image]:
    generator = np.random.default_rng(4)
    return [generator.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def test_pixels_and_times_come_as_they_were_written() -> None:
    written = pictures()
    form = RawFormat(40, 30, fps=50.0)
    data = b"".join(image.tobytes() for image in written)
    with piped(data) as descriptor, open_pipe(descriptor, "pipe", raw=form) as source:
        frames = list(source)
        assert (source.info.width, source.info.height, source.info.fps) == (40, 30, 50.0)
        assert source.notes == ()
    assert all(np.array_equal(f.image, w) for f, w in zip(frames, written, strict=True))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])


@pytest.mark.parametrize("name", ["rgb24", "gray", "yuv420p", "nv12", "bgr0", "yuyv422", "p010le"])
@pytest.mark.parametrize("size", ["40x30", "41x31"])
def test_every_format_is_what_ffmpeg_writes(tmp_path: Path, name: str, size: str) -> None:
    path = tmp_path / "x.raw"
    make = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "color=0x3060c0:s=80x60:d=0.12:r=25,format=rgb24",
    ]
    width, height = map(int, size.split("x"))
    shape = ["-vf", f"scale={width}:{height}", "-pix_fmt", name, "-f", "rawvideo"]
    subprocess.run([*make, *shape, str(path)], check=True)
    assert RawFormat(width, height, name).frame_bytes * 3 == path.stat().st_size
    with open_source(
        path, input_format="rawvideo", width=width, height=height, pixel_format=name
    ) as source:
        frames = list(source)
        assert source.skipped == 0
    assert [frame.image.shape for frame in frames] == [(height, width, 3)] * 3
    expected = np.array([93] * 3 if name == "gray" else [0xC0, 0x60, 0x30])
    assert np.abs(frames[1].image[10, 10].astype(int) - expected).max() <= 4


def test_a_torn_last_frame_is_left_out_and_said() -> None:
    data = b"".join(image.tobytes() for image in pictures(3))[:-100]
    told: list[str] = []
    form = RawFormat(40, 30)
    with (
        piped(data) as descriptor,
        open_pipe(descriptor, "pipe", raw=form, on_notice=told.append) as source,
    ):
        assert len(list(source)) == 2
        assert source.skipped == 1
    (sentence,) = told
    assert "its last 3500 bytes are no whole frame of 40x30 bgr24 (3600 bytes)" in sentence
    assert "--size" in sentence


def test_less_than_a_frame_is_an_error_that_names_the_sizes() -> None:
    with piped(bytes(1000)) as descriptor, pytest.raises(SourceError) as caught:
        open_pipe(descriptor, "pipe", raw=RawFormat(40, 30))
    assert caught.value.cause == "1000 bytes are no frame of 40x30 bgr24, which has 3600"


def test_what_has_no_times_takes_the_rate_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.mjpeg"
    make = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x48:d=0.3:r=10",
        "-f",
        "mjpeg",
    ]
    subprocess.run([*make, str(path)], check=True)
    with (
        piped(path.read_bytes()) as descriptor,
        open_pipe(descriptor, "pipe", fps=10.0) as source,
    ):
        times = [frame.pts_seconds for frame in source]
    assert times == pytest.approx([0, 0.1, 0.2])


def test_a_format_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"Did you mean .*bgr24"):
        RawFormat(40, 30, "brg24")
    with pytest.raises(UsageError, match="cannot have its pixels"):
        RawFormat(40, 30, "vaapi")
    with pytest.raises(UsageError, match="megapixels"):
        RawFormat(100_000, 100_000)
    with pytest.raises(UsageError, match="--size"):
        open_source("-", input_format="rawvideo")
