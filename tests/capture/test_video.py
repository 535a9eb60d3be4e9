"""Video files: every decodable frame, in order, at its own tick, upright, whatever is odd."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from live_gradcam.values import Frame
from scripts.faults.media import (
    corners,
    counting_image,
    number_in,
    packet_spans,
    quadrants,
    start_later,
    write_film,
    write_sound,
    zero_packets,
)

EXACT = {"qp": "1"}
INTRA = {"g": "1", "qp": "1"}


def quadrant_image(_number: int, width: int, height: int) -> np.ndarray:
    return quadrants(width, height)


def read_all(path: Path, **options: Any) -> tuple[VideoSource, list[Frame]]:
    with VideoSource(path, **options) as source:
        return source, list(source)


def read_into(frames: list[Frame], source: VideoSource) -> None:
    for frame in source:
        frames.append(frame)


def ticks_of(source: VideoSource, frames: list[Frame]) -> list[int]:
    assert source.info.time_base is not None
    exact = [Fraction(frame.pts_seconds) / source.info.time_base for frame in frames]
    assert all(abs(tick - round(tick)) < Fraction(1, 1000) for tick in exact)
    return [round(tick) for tick in exact]


def numbers_of(frames: list[Frame]) -> list[int]:
    return [number_in(frame.image) for frame in frames]


def test_a_plain_film_gives_its_frames_in_order(tmp_path: Path) -> None:
    path = write_film(tmp_path / "plain.mp4", options=EXACT)
    source, frames = read_all(path)
    assert numbers_of(frames) == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.pts_seconds for frame in frames] == [pytest.approx(n / 25) for n in range(12)]
    assert {frame.source for frame in frames} == {"plain.mp4"}
    info = source.info
    assert (info.kind, info.live, info.width, info.height) == ("video", False, 64, 48)
    assert (info.fps, info.frame_count, info.path) == (25.0, 12, path)
    assert info.duration_seconds == pytest.approx(0.48)
    assert (source.skipped, source.notes) == (0, ())


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("h264.mkv", "libx264", "yuv420p"),
        ("ten-bit.mp4", "libx264", "yuv420p10le"),
        ("ffv1.mkv", "ffv1", "yuv444p"),
        ("vp9.webm", "libvpx-vp9", "yuv420p"),
        ("mpeg4.avi", "mpeg4", "yuv420p"),
        ("mpeg2.mpg", "mpeg2video", "yuv420p"),
        ("h264.ts", "libx264", "yuv420p"),
        ("h264.flv", "libx264", "yuv420p"),
        ("raw.h264", "libx264", "yuv420p"),
        ("raw.mjpeg", "mjpeg", "yuvj420p"),
        ("prores.mov", "prores_ks", "yuv422p10le"),
        ("rgb.mov", "qtrle", "rgb24"),
    ],
)
def test_containers_codecs_and_depths(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    def steps(number: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), 30 + 15 * number, np.uint8)

    path = write_film(tmp_path / name, codec=codec, pix_fmt=pix_fmt, image=steps)
    source, frames = read_all(path)
    assert len(frames) == 12
    levels = [float(frame.image.mean()) for frame in frames]
    assert levels == pytest.approx([30 + 15 * n for n in range(12)], abs=5)
    times = np.array([frame.pts_seconds for frame in frames])
    assert np.diff(times) == pytest.approx(0.04, abs=0.0011)
    assert source.skipped == 0


def test_every_tick_of_a_variable_rate_is_kept(tmp_path: Path) -> None:
    wanted = [0, 40, 90, 91, 200, 333, 334, 500, 777, 778, 1000, 20_000]
    path = write_film(
        tmp_path / "vfr.mp4", ticks=wanted, time_base=Fraction(1, 1000), options=EXACT
    )
    source, frames = read_all(path)
    assert source.info.time_base is not None
    per_wanted = Fraction(1, 1000) / source.info.time_base
    assert ticks_of(source, frames) == [tick * per_wanted for tick in wanted]


@pytest.mark.parametrize(
    ("degrees", "upright"),
    [
        (0, ["red", "green", "blue", "grey"]),
        (90, ["green", "grey", "red", "blue"]),
        (180, ["grey", "blue", "green", "red"]),
        (270, ["blue", "red", "grey", "green"]),
    ],
)
def test_rotated_films_come_upright(tmp_path: Path, degrees: int, upright: list[str]) -> None:
    path = write_film(tmp_path / "r.mp4", frames=2, image=quadrant_image, rotation=degrees)
    source, frames = read_all(path)
    assert [corners(frame.image) for frame in frames] == [upright] * 2
    size = (64, 48) if degrees % 180 == 0 else (48, 64)
    assert (source.info.width, source.info.height) == size
    assert frames[0].image.shape[1::-1] == size
    assert frames[0].image.flags.c_contiguous


def test_a_mirroring_display_matrix_is_followed(tmp_path: Path) -> None:
    path = write_film(tmp_path / "m.mp4", frames=1, image=quadrant_image, rotation=180)
    # Both axes turned: leaving the second as it is mirrors the image left to right.
    data = path.read_bytes()
    turned = (0xFFFF0000).to_bytes(4, "big") + bytes(12) + (0xFFFF0000).to_bytes(4, "big")
    mirrored = turned[:16] + (0x00010000).to_bytes(4, "big")
    assert data.count(turned) == 1
    path.write_bytes(data.replace(turned, mirrored))
    _, frames = read_all(path)
    assert corners(frames[0].image) == ["green", "red", "grey", "blue"]


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48), (17, 1), (1, 1)])
def test_odd_sizes_are_exact(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_film(tmp_path / "odd.mkv", codec="ffv1", width=size[0], height=size[1])
    source, frames = read_all(path)
    assert {frame.image.shape for frame in frames} == {(size[1], size[0], 3)}
    assert numbers_of(frames) == list(range(12))
    assert (source.info.width, source.info.height) == size


def test_colour_is_right_for_each_matrix_and_range(tmp_path: Path) -> None:
    for matrix, full in ((2, 0), (5, 1), (6, 1), (1, 1), (1, 2), (5, 2)):
        path = write_film(
            tmp_path / f"{matrix}-{full}.mkv",
            frames=1,
            image=quadrant_image,
            colour=(matrix, full),
            options=EXACT,
        )
        _, (frame,) = read_all(path)
        for (y, x), expected in {
            (10, 10): (0, 0, 255),
            (10, 50): (0, 255, 0),
            (40, 10): (255, 0, 0),
            (40, 50): (128, 128, 128),
        }.items():
            assert np.abs(frame.image[y, x].astype(int) - expected).max() <= 6, (matrix, full)


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [
    ("a.mov", "qtrle", "argb"),
    ("a.mkv", "ffv1", "yuva420p"),
    ("b.mov", "png", "rgba"),
])  # fmt: skip
def test_transparent_parts_lie_on_white(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    def half_red(_number: int, width: int, height: int) -> np.ndarray:
        image = np.zeros((height, width, 4), np.uint8)
        image[..., 2] = 255
        image[:, width // 2 :, 3] = 255
        return image

    path = write_film(tmp_path / name, codec=codec, pix_fmt=pix_fmt, frames=2, image=half_red)
    _, frames = read_all(path)
    assert np.abs(frames[0].image[10, 10].astype(int) - 255).max() <= 2
    assert np.abs(frames[0].image[10, 50].astype(int) - (0, 0, 255)).max() <= 4


@pytest.mark.parametrize(
    "x264",
    [
        "bframes=3:b-adapt=0",
        "bframes=3:b-adapt=0:open-gop=1:keyint=6:scenecut=0",
        "bframes=0:keyint=1",
    ],
)
def test_reordered_frames_come_in_the_order_of_showing(tmp_path: Path, x264: str) -> None:
    path = write_film(tmp_path / "b.mp4", options={"x264-params": f"{x264}:qp=1"})
    source, frames = read_all(path)
    assert numbers_of(frames) == list(range(12))
    assert np.diff(ticks_of(source, frames)).tolist() == [512] * 11


@pytest.mark.parametrize("options", [INTRA, {"x264-params": "bframes=2:b-adapt=0:qp=1"}])
def test_an_edit_list_cuts_the_beginning(tmp_path: Path, options: dict[str, str]) -> None:
    path = write_film(tmp_path / "edit.mp4", options=options)
    start_later(path, 4 * 512)
    source, frames = read_all(path)
    assert numbers_of(frames) == list(range(4, 12))
    assert ticks_of(source, frames) == [512 * n for n in range(8)]


def test_times_begin_at_zero_unless_they_are_kept(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "late.mkv", ticks=[5000 + 40 * n for n in range(12)], time_base=Fraction(1, 1000)
    )
    source, frames = read_all(path)
    assert ticks_of(source, frames) == [40 * n for n in range(12)]
    assert source.info.start_seconds == 5
    assert {frame.start_seconds for frame in frames} == {5}
    source, frames = read_all(path, keep_timestamps=True)
    assert ticks_of(source, frames) == [5000 + 40 * n for n in range(12)]
    assert source.info.start_seconds == 0


def test_films_with_several_sound_tracks(tmp_path: Path) -> None:
    _, frames = read_all(write_film(tmp_path / "sound.mp4", audio_tracks=3, options=EXACT))
    assert numbers_of(frames) == list(range(12))


@pytest.mark.parametrize("size", [(64, 48), (3840, 2160)])
def test_a_single_frame(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_film(tmp_path / "one.mp4", frames=1, width=size[0], height=size[1])
    _, frames = read_all(path)
    assert [frame.image.shape for frame in frames] == [(size[1], size[0], 3)]


def test_damage_is_stepped_over_and_counted(tmp_path: Path) -> None:
    path = write_film(tmp_path / "damaged.mp4", options=INTRA)
    zero_packets(path, [4, 5, 8])
    told: list[str] = []
    with VideoSource(path, on_notice=told.append) as source:
        frames = list(source)
    assert numbers_of(frames) == [0, 1, 2, 3, 6, 7, 9, 10, 11]
    assert ticks_of(source, frames) == [512 * n for n in (0, 1, 2, 3, 6, 7, 9, 10, 11)]
    assert [frame.index for frame in frames] == list(range(9))
    assert source.skipped == 3
    assert source.notes == ("damaged.mp4: 3 damaged frames left out",)
    assert told == list(source.notes)


def test_strict_makes_damage_an_error(tmp_path: Path) -> None:
    path = write_film(tmp_path / "damaged.mp4", options=INTRA)
    zero_packets(path, [4])
    frames: list[Frame] = []
    with (
        VideoSource(path, strict=True) as source,
        pytest.raises(SourceError, match="behind frame 3") as caught,
    ):
        read_into(frames, source)
    assert numbers_of(frames) == [0, 1, 2, 3]
    assert caught.value.exit_code == 3
    _, whole = read_all(write_film(tmp_path / "good.mp4", options=INTRA), strict=True)
    assert len(whole) == 12


def test_a_film_cut_off_in_the_middle_gives_what_it_has(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "cut.mp4", options=INTRA, container_options={"movflags": "faststart"}
    )
    offset, _ = packet_spans(path)[7]
    path.write_bytes(path.read_bytes()[: offset + 1])
    source, frames = read_all(path)
    assert numbers_of(frames)[:7] == list(range(7))
    assert len(frames) <= 8
    assert any("truncated" in note for note in source.notes)


def test_another_size_is_letterboxed_to_the_first_with_one_note(tmp_path: Path) -> None:
    first = write_film(tmp_path / "a.ts", options=EXACT)
    second = write_film(tmp_path / "b.ts", width=48, height=96, options=EXACT)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes() + first.read_bytes())
    source, frames = read_all(joined)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert len(frames) == 36
    tall = frames[18].image
    assert tall[:, :20].max() == tall[:, -20:].max() == 0
    assert number_in(tall[:, 21:43]) == 6
    assert sum("letterboxed" in note for note in source.notes) == 1
    times = [frame.pts_seconds for frame in frames]
    assert np.diff(times) == pytest.approx(0.04, abs=0.001)


def test_loop_goes_on_counting(tmp_path: Path) -> None:
    path = write_film(tmp_path / "loop.mp4", frames=3, options=EXACT)
    with VideoSource(path, loop=True) as source:
        frames = [frame for frame, _ in zip(source, range(8), strict=False)]
    assert numbers_of(frames) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [frame.index for frame in frames] == list(range(8))
    assert ticks_of(source, frames) == [512 * n for n in range(8)]


def made_text(path: Path) -> None:
    path.write_text("just a shopping list\n" * 20)


def made_empty(path: Path) -> None:
    path.touch()


def made_zeros(path: Path) -> None:
    path.write_bytes(bytes(5000))


def made_web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>Log in</html>")


def made_pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def made_unfinished(path: Path) -> None:
    write_film(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def made_head_only(path: Path) -> None:
    write_film(path)
    path.write_bytes(path.read_bytes()[:100])


def made_sound(path: Path) -> None:
    write_sound(path)


def made_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(9000))


def made_undecodable(path: Path) -> None:
    write_film(path, options=INTRA)
    zero_packets(path, range(12))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (made_text, "text"),
        (made_empty, "empty"),
        (made_zeros, "nothing but zeros"),
        (made_web_page, "web page"),
        (made_pointer, "Git LFS pointer"),
        (made_unfinished, "recording was not finished"),
        (made_head_only, "truncated"),
        (made_sound, "sound only"),
        (made_noise, "neither a picture nor a video"),
        (made_undecodable, "not one frame can be decoded"),
    ],
)
def test_what_is_no_film_is_named(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(SourceError, match=says) as caught:
        VideoSource(path)
    assert caught.value.exit_code == 3
    assert "clip.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_clips_are_read_completely(shared: Path) -> None:
    source, frames = read_all(shared / "media/video/car-detection.mp4")
    assert len(frames) == source.info.frame_count == 377
    assert ticks_of(source, frames) == [2000 * n for n in range(377)]
    assert (source.info.width, source.info.height, source.info.fps) == (768, 432, 12.5)
    peer = cv2.VideoCapture(str(shared / "media/video/car-detection.mp4"))
    for frame in frames[:100]:
        seen, image = peer.read()
        assert seen
        # OpenCV's film reader rounds down; ours is the exact one.
        difference = np.abs(frame.image.astype(int) - image)
        assert difference.mean() < 1.2
        assert difference.max() <= 12
    peer.release()


def test_handles_are_given_back(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    good = write_film(tmp_path / "good.mp4")
    bad = tmp_path / "bad.mp4"
    made_undecodable(bad)
    process = psutil.Process()
    read_all(good)
    before = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    for _ in range(5):
        VideoSource(good).close()
        with pytest.raises(SourceError):
            VideoSource(bad)
    after = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    assert after <= before


def test_counting_images_tell_their_number() -> None:
    assert [number_in(counting_image(n, 8, 8)) for n in range(26)] == list(range(26))
