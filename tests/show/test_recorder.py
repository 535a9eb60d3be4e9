"""Recordings: every frame at its own time, with the sound, playable whatever happens."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.errors import SinkError
from live_gradcam.native import av, cv2
from live_gradcam.show.recorder import VideoSink
from live_gradcam.values import Explanation, Frame, SourceInfo
from scripts.faults.media import write_film
from tests.show.conftest import (
    decode_image,
    frames_of,
    noisy,
    numbered,
    read_film,
    sound_of,
    source_info,
)


def rerecord(
    film: Path, output: Path, explanation: Explanation, *, limit: int | None = None
) -> VideoSink:
    """Record a film's own frames."""
    with VideoSink(output, source_info(film)) as sink:
        for frame in frames_of(film):
            if limit is not None and frame.index >= limit:
                break
            sink.write(frame, frame.image, explanation)
    return sink


def _grey(number: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 20 + number % 200, np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_real_film_keeps_every_frame_every_time_and_every_sound_packet(
    shared: Path, tmp_path: Path, explained: Explanation, suffix: str
) -> None:
    film = shared / "media/video/car-detection.mp4"
    output = tmp_path / f"out{suffix}"
    sink = rerecord(film, output, explained)
    before, after = read_film(film), read_film(output)
    assert after.times == before.times
    assert len(after.times) == 377
    assert [len(track) for track in after.sound] == [1414]
    assert max(abs(a - b) for a, b in zip(after.sound[0], before.sound[0], strict=True)) <= (
        0 if suffix != ".mkv" else Fraction(1, 1000)
    )
    assert (after.codec, after.pix_fmt, after.size) == ("h264", "yuv420p", (768, 432))
    assert sink.description == f"{output} (377 frames, 30.2 s)"
    assert sink.notes == ()


@pytest.mark.parametrize(
    ("time_base", "ticks"),
    [
        (Fraction(1, 90_000), [0, 3003, 3005, 9009, 60_001, 60_002, 150_000, 400_000]),
        (Fraction(1, 30_000), [n * 1001 for n in range(8)]),
        (Fraction(1, 1000), [500, 533, 567, 601, 2000, 2001, 2002, 7000]),
        (Fraction(1, 25), [3, 4, 5, 6, 7, 8, 9, 30]),
    ],
)
def test_times_are_kept_to_the_tick(
    tmp_path: Path,
    explained: Explanation,
    scene_info: SourceInfo,
    time_base: Fraction,
    ticks: list[int],
) -> None:
    info = dataclasses.replace(scene_info, kind="video", time_base=time_base)
    for suffix, exact in ((".mp4", True), (".mkv", False)):
        output = tmp_path / f"out{suffix}"
        with VideoSink(output, info) as sink:
            for frame, tick in zip(numbered(8), ticks, strict=True):
                timed = dataclasses.replace(frame, pts_seconds=float(tick * time_base))
                sink.write(timed, timed.image, explained)
        times = read_film(output).times
        wanted = [tick * time_base for tick in ticks]
        assert max(abs(a - b) for a, b in zip(times, wanted, strict=True)) <= (
            0 if exact else Fraction(1, 1000)
        )


def test_sound_that_begins_before_the_images_does_not_shift_them(
    tmp_path: Path, explained: Explanation
) -> None:
    film = write_film(tmp_path / "in.mp4", frames=50, audio_tracks=2, image=_grey)
    sound = sound_of(film)
    assert sound[0][0] < 0, "AAC begins with a packet of priming"
    output = tmp_path / "out.mp4"
    rerecord(film, output, explained)
    assert read_film(output).times == read_film(film).times
    assert sound_of(output) == sound


def test_in_matroska_priming_is_kept_and_moves_no_image(
    tmp_path: Path, explained: Explanation
) -> None:
    film = write_film(tmp_path / "in.mp4", frames=50, audio_tracks=1, image=_grey)
    rerecord(film, tmp_path / "out.mkv", explained)
    assert read_film(tmp_path / "out.mkv").times == read_film(film).times
    (before,), (after,) = sound_of(film), sound_of(tmp_path / "out.mkv")
    assert len(after) == len(before)
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= Fraction(1, 1000)
    with av.open(str(tmp_path / "out.mkv")) as file:
        first = next(file.decode(audio=0))
    assert first.pts == 0, "what is heard begins with the images"


def test_sound_that_goes_on_behind_the_last_image_is_kept(
    tmp_path: Path, explained: Explanation
) -> None:
    long, short = tmp_path / "long.mp4", tmp_path / "short.mp4"
    write_film(long, frames=100, audio_tracks=1, image=_grey)
    write_film(short, frames=25, image=_grey)
    for suffix in (".mkv", ".mp4"):
        joined, output = tmp_path / f"joined{suffix}", tmp_path / f"out{suffix}"
        _join(short, long, joined)
        rerecord(joined, output, explained)
        assert len(read_film(output).times) == 25
        assert len(sound_of(output)[0]) == len(sound_of(joined)[0])
        assert sound_of(output)[0][-1] > 3.9


def test_sound_may_come_from_another_file(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    spoken = write_film(tmp_path / "in.mp4", frames=30, audio_tracks=1, image=_grey)
    with VideoSink(tmp_path / "out.mp4", scene_info, audio_from=spoken) as sink:
        for frame in numbered(10):
            sink.write(frame, frame.image, explained)
    assert sound_of(tmp_path / "out.mp4") == sound_of(spoken)


def _join(images: Path, sound: Path, output: Path) -> None:
    """Images of one film, sound of another."""
    with (
        av.open(str(images)) as one,
        av.open(str(sound)) as two,
        av.open(str(output), "w") as out,
    ):
        packets: list[tuple[Fraction, int, Any, Any]] = []
        for file, stream in ((one, one.streams.video[0]), (two, two.streams.audio[0])):
            copy = out.add_stream_from_template(stream)
            for packet in file.demux(stream):
                if packet.dts is not None:
                    packets.append((packet.dts * packet.time_base, len(packets), packet, copy))
        for _, _, packet, copy in sorted(packets, key=lambda item: item[:2]):
            packet.stream = copy
            out.mux(packet)


def test_sound_of_a_run_that_was_cut_short_ends_with_the_images(
    tmp_path: Path, explained: Explanation
) -> None:
    film = write_film(tmp_path / "in.mp4", frames=100, audio_tracks=1, image=_grey)
    output = tmp_path / "out.mp4"
    rerecord(film, output, explained, limit=30)
    after = read_film(output)
    assert len(after.times) == 30
    assert abs(after.sound[0][-1] - Fraction(30, 25)) < Fraction(1, 10)


def test_sound_that_the_container_cannot_hold_is_encoded_anew_and_said(
    tmp_path: Path, explained: Explanation
) -> None:
    film = tmp_path / "in.mov"
    with av.open(str(film), "w") as out:
        video, audio = out.add_stream("libx264", rate=25), out.add_stream("pcm_mulaw", rate=8000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for frame in numbered(25):
            encoded = av.VideoFrame.from_ndarray(frame.image, "bgr24").reformat(format="yuv420p")
            out.mux(video.encode(encoded))
        out.mux(video.encode(None))
        for number in range(25):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), "s16", "mono")
            tone.sample_rate, tone.pts = 8000, number * 320
            out.mux(audio.encode(tone))
    sink = rerecord(film, tmp_path / "out.mp4", explained)
    assert sink.notes == ("out.mp4: audio track 1 (pcm_mulaw) becomes AAC: mp4 cannot hold it",)
    assert len(read_film(tmp_path / "out.mp4").times) == 25
    sink = rerecord(film, tmp_path / "out.mov", explained)
    assert sink.notes == ()
    assert _sound_bytes(tmp_path / "out.mov") == _sound_bytes(film)


def _sound_bytes(path: Path) -> bytes:
    with av.open(str(path)) as file:
        return b"".join(bytes(packet) for packet in file.demux(file.streams.audio[0]))


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (33, 48), (1, 1), (17, 3)])
def test_odd_sizes_are_padded_to_even_ones_by_the_edge(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo, size: tuple[int, int]
) -> None:
    width, height = size
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, -1] = image[-1] = 200
    with VideoSink(tmp_path / "out.mp4", scene_info) as sink:
        for number in range(5):
            sink.write(Frame(image, number, number / 25), image, explained)
    film = read_film(tmp_path / "out.mp4")
    assert film.size == tuple(max(16, side + side % 2) for side in size)
    assert np.abs(film.images[-1][-1, -1].astype(int) - 200).max() <= 6
    assert sink.notes == ()


def test_colours_come_back_within_a_few_grey_levels(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    colours = [(0, 0, 0), (255, 255, 255), (30, 200, 40), (20, 30, 220), (230, 60, 20), (90,) * 3]
    for number, colour in enumerate(colours):
        image = np.full((48, 64, 3), colour, np.uint8)
        output = tmp_path / f"{number}.mp4"
        with VideoSink(output, scene_info) as sink:
            sink.write(Frame(image, 0, 0.0), image, explained)
        middle = read_film(output).images[0][24, 32].astype(int)
        assert np.abs(middle - colour).max() <= 4
        seen_by_opencv = cv2.VideoCapture(str(output)).read()[1][24, 32].astype(int)
        assert np.abs(seen_by_opencv - colour).max() <= 4


def test_a_real_image_comes_back_nearly_as_it_was(
    shared: Path, tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    image = decode_image(shared / "media/images/golden_retriever.jpg")
    with VideoSink(tmp_path / "out.mp4", scene_info) as sink:
        for number in range(5):
            sink.write(Frame(image, number, number / 25), image, explained)
    recorded = read_film(tmp_path / "out.mp4").images[-1]
    # Luma carries the detail; chroma has half the resolution.
    before, after = (
        np.asarray(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY), float)
        for each in (image, np.asarray(recorded, np.uint8))
    )
    assert 10 * np.log10(255**2 / ((before - after) ** 2).mean()) > 36


@pytest.mark.parametrize("fps", [5.0, 24.0, 60.0])
def test_a_keyframe_comes_at_least_every_second(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo, fps: float
) -> None:
    with VideoSink(tmp_path / "out.mp4", scene_info, fps=fps) as sink:
        for frame in numbered(int(4 * fps), fps=fps):
            sink.write(frame, frame.image, explained)
    keys = read_film(tmp_path / "out.mp4").keyframes
    assert max(np.diff([float(key) for key in keys])) <= 1.0 + 1e-6
    assert len(keys) <= 5


def test_times_that_repeat_or_go_back_lose_no_frame_and_are_said(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    seconds = [0.0, 0.04, 0.04, 0.03, 0.12, 0.16, 5.0, 0.0, 0.04, 0.08]
    with VideoSink(tmp_path / "out.mp4", dataclasses.replace(scene_info, kind="video")) as sink:
        for number, (frame, when) in enumerate(zip(numbered(10), seconds, strict=True)):
            sink.write(Frame(frame.image, number, when), frame.image, explained)
    times = [float(when) for when in read_film(tmp_path / "out.mp4").times]
    assert len(times) == 10
    assert np.all(np.diff(times) > 0)
    assert times[4:7] == [0.12, 0.16, 5.0], "a stumble moves no other frame"
    assert np.diff(times[7:]) == pytest.approx([0.04, 0.04]), "a restart keeps its rhythm"
    assert sink.notes == ("out.mp4: 3 frames moved in time to stay in order",)


def test_a_live_recording_begins_at_zero(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    info = dataclasses.replace(scene_info, kind="camera", live=True)
    with VideoSink(tmp_path / "out.mp4", info) as sink:
        for frame, when in zip(numbered(3), (812.5, 812.54, 812.7), strict=True):
            late = dataclasses.replace(frame, pts_seconds=when, index=frame.index + 9000)
            sink.write(late, late.image, explained)
    assert [float(t) for t in read_film(tmp_path / "out.mp4").times] == [0.0, 0.04, 0.2]


def test_images_of_another_size_are_fitted_and_said_once(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    with VideoSink(tmp_path / "out.mp4", scene_info) as sink:
        for frame in (*numbered(2), *numbered(5, width=48, height=96)[2:]):
            sink.write(frame, np.full_like(frame.image, 200), explained)
    film = read_film(tmp_path / "out.mp4")
    assert len(film.images) == 5
    assert film.images[-1][24, 32].mean() > 180
    assert film.images[-1][24, 5].mean() < 20
    assert sink.notes == ("out.mp4: pictures of another size are fitted into 64x48",)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_without_a_frame_there_is_no_file(
    tmp_path: Path, scene_info: SourceInfo, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    with VideoSink(output, scene_info) as sink:
        assert output.exists()
    assert not output.exists()
    assert "nothing" in sink.description


def test_an_existing_file_is_kept_until_the_first_frame(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"x" * 500_000)
    VideoSink(output, scene_info).close()
    assert output.read_bytes() == b"x" * 500_000
    with VideoSink(output, scene_info) as sink:
        frame = numbered(1)[0]
        sink.write(frame, frame.image, explained)
    assert len(read_film(output).times) == 1
    assert output.stat().st_size < 100_000


def test_the_finished_file_is_an_ordinary_one(
    tmp_path: Path, scene_info: SourceInfo, explained: Explanation
) -> None:
    output = tmp_path / "out.mp4"
    with VideoSink(output, scene_info) as sink:
        for frame in numbered(60):
            sink.write(frame, frame.image, explained)
    with av.open(str(output)) as file:
        assert file.streams.video[0].frames == 60, "its header knows all frames"
        assert float(file.duration / av.time_base) == pytest.approx(2.4, abs=0.01)


_RECORD_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from live_gradcam.show.recorder import VideoSink
from live_gradcam.values import Explanation, Frame, Region, SourceInfo
sys.path.insert(0, {tests!r})
from tests.show.conftest import source_info

info = {info}
nothing = Explanation((), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 1, 1))
sink = VideoSink(Path({output!r}), info)
for number in range(100_000):
    image = np.full((120, 160, 3), number % 250, np.uint8)
    sink.write(Frame(image, number, number / 25), image, nothing)
    print(number / 25, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("sound", [False, True])
def test_a_killed_recording_can_be_played_to_its_last_second(
    tmp_path: Path, suffix: str, sound: bool
) -> None:
    chance = random.Random(f"{suffix}{sound}")
    film = (
        write_film(tmp_path / "in.mp4", frames=800, audio_tracks=1, image=_grey) if sound else None
    )
    for attempt in range(3):
        output = tmp_path / f"{attempt}{suffix}"
        info = "SourceInfo('scene', 'scene', False, 160, 120, fps=25.0)"
        code = _RECORD_UNTIL_KILLED.format(
            tests=str(Path(__file__).parent.parent.parent),
            info=f"source_info(Path({str(film)!r}))" if film else info,
            output=str(output),
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            until = chance.uniform(0.5, 25.0)
            for line in process.stdout:
                if float(line) >= until:
                    break
            time.sleep(chance.uniform(0, 0.005))
            process.send_signal(signal.SIGKILL)
            written = [float(line), *map(float, process.stdout.read().split())][-1]
        with av.open(str(output)) as file:
            times = [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]
        assert times == pytest.approx(np.arange(len(times)) / 25, abs=1e-3)
        assert written - times[-1] <= 0.5


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="POSIX limits")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("limit", [0, 1_000, 300_000, 1_000_000])
def test_a_file_that_may_not_grow_is_finished_as_far_as_it_goes(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo, suffix: str, limit: int
) -> None:
    import resource

    output = tmp_path / f"out{suffix}"
    sink = VideoSink(output, scene_info)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    written = 0
    try:
        with pytest.raises(SinkError, match="larger than allowed") as caught:  # noqa: PT012
            for frame in noisy(300):
                sink.write(frame, frame.image, explained)
                written += 1
            sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 4
    sink.close()
    if limit < 100_000:
        assert "nothing of it can be played" in str(caught.value)
        assert not output.exists()
    else:
        film = read_film(output)
        assert written - len(film.times) <= 8, "at most a fifth of a second is lost"
        assert f"first {len(film.times)} frames" in str(caught.value)
        assert str(output) in str(caught.value)
    with pytest.raises(SinkError):
        sink.write(noisy(1)[0], noisy(1)[0].image, explained)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="POSIX limits")
def test_a_disk_that_is_full_at_the_very_end_spares_what_is_there(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    import resource

    output = tmp_path / "out.mp4"
    sink = VideoSink(output, scene_info)
    for frame in numbered(103):
        sink.write(frame, frame.image, explained)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (output.stat().st_size + 100, hard))
    try:
        with pytest.raises(SinkError, match="cannot finish video") as caught:
            sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    film = read_film(output)
    assert 95 <= len(film.times) < 103
    assert f"first {len(film.times)} frames" in str(caught.value)
    sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_without_room(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    output = tmp_path / "out.mp4"
    output.symlink_to("/dev/full")
    sink = VideoSink(output, scene_info)
    with pytest.raises(SinkError, match="no space is left"):  # noqa: PT012
        for frame in noisy(30):
            sink.write(frame, frame.image, explained)
        sink.close()
    sink.close()
    assert output.is_symlink()
    assert Path("/dev/full").is_char_device()


def test_an_output_that_fails_leaves_no_handle_open(
    tmp_path: Path, explained: Explanation, scene_info: SourceInfo
) -> None:
    psutil = pytest.importorskip("psutil")
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    process = psutil.Process()
    if not hasattr(process, "num_fds"):
        pytest.skip("no file descriptors to count")

    def once() -> None:
        output = tmp_path / "out.mp4"
        output.unlink(missing_ok=True)
        output.symlink_to("/dev/full")
        sink = VideoSink(output, scene_info)
        with pytest.raises(SinkError):  # noqa: PT012
            for frame in noisy(30):
                sink.write(frame, frame.image, explained)
            sink.close()

    once()
    before = process.num_fds()
    for _ in range(5):
        once()
    assert process.num_fds() <= before, "fewer where others' are collected meanwhile"
