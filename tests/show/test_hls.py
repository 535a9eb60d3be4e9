"""HLS: the list is whole at every moment, and only what is ours is ever removed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.native import av
from live_gradcam.show.hls import HlsSink
from live_gradcam.show.open import open_sink
from live_gradcam.values import Explanation, Frame, SourceInfo

INFO = SourceInfo(name="x", kind="camera", live=True, width=64, height=48, fps=10.0)


def write(sink: HlsSink, explained: Explanation, seconds: float, first: int = 0) -> None:
    for number in range(first, first + round(10 * seconds)):
        image = np.full((48, 64, 3), number % 200, np.uint8)
        # Cameras count from when they were opened.
        sink.write(Frame(image, number, 7.0 + number / 10), image, explained)


def listed(path: Path) -> tuple[str, list[float], list[str]]:
    """The list, the lengths of its segments, and their names."""
    text = path.read_text()
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    return text, [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", text)], names


def frames_in(path: Path) -> tuple[int, str]:
    probe = "ffprobe -v error -count_frames -show_entries stream=nb_read_frames,codec_name -of json"
    done = subprocess.run([*probe.split(), str(path)], capture_output=True, check=True)
    assert done.stderr == b""
    (stream,) = json.loads(done.stdout)["streams"]
    return int(stream["nb_read_frames"]), stream["codec_name"]


def test_what_ends_is_listed_whole(tmp_path: Path, explained: Explanation) -> None:
    path = tmp_path / "100% live.m3u8"
    info = dataclasses.replace(INFO, kind="video", live=False)
    with open_sink(path, info) as sink:
        assert isinstance(sink, HlsSink)
        write(sink, explained, 15.0)
        text, lengths, names = listed(path)
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
        assert "#EXT-X-ENDLIST" not in text
        assert lengths == [2.0] * 7, "what has been written can be seen"
        assert all((tmp_path / name).stat().st_size for name in names)
    text, lengths, names = listed(path)
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert lengths == [2.0] * 7 + [1.0]
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *names}
    assert frames_in(path) == (150, "h264")
    assert sink.description == f"{path} (150 frames, 15.0 s)"


def test_what_is_live_keeps_its_end_and_nothing_of_others_is_touched(
    tmp_path: Path, explained: Explanation
) -> None:
    path = tmp_path / "live.m3u8"
    theirs = [tmp_path / name for name in ("live-00000.ts", "live-holiday.ts", "mine.ts")]
    for each in theirs:
        each.write_text("theirs")
    with HlsSink(path, INFO, rolling=True) as sink:
        write(sink, explained, 31.0)
        _, lengths, names = listed(path)
        assert lengths == [2.0] * 6
        segments = set(tmp_path.glob("live-2*.ts"))
        assert {tmp_path / name for name in names} <= segments
        assert len(segments) <= 9, "what is listed, what a player may still load, and the next one"
        assert sink.on_air == "on air as live.m3u8"
    text, _, first_names = listed(path)
    assert text.endswith("#EXT-X-ENDLIST\n"), "players know that no more comes"
    with HlsSink(path, INFO, rolling=True) as sink:
        write(sink, explained, 5.0)
    _, _, names = listed(path)
    assert not set(names) & set(first_names), "no cache shows a segment of an earlier run"
    assert {each.name for each in tmp_path.iterdir()} == {
        path.name,
        *names,
        *(each.name for each in theirs),
    }
    assert all(each.read_text() == "theirs" for each in theirs)


def test_a_run_that_is_killed_leaves_a_list_that_plays(
    tmp_path: Path, explained: Explanation
) -> None:
    """The list as it is at any moment is what a kill leaves."""
    path = tmp_path / "live.m3u8"
    with HlsSink(path, INFO, rolling=True) as sink:
        write(sink, explained, 5.0)
        left = tmp_path / "left.m3u8"
        left.write_text(path.read_text())
        segments = [tmp_path / name for name in listed(left)[2]]
    assert len(segments) == 2
    # A player waits for the list to grow; what is in it comes before that.
    with av.open(str(left), options={"live_start_index": "0"}) as film:
        first = itertools.islice(film.decode(video=0), 36)
        values = [float(frame.to_ndarray(format="bgr24").mean()) for frame in first]
    assert values == pytest.approx(list(range(36)), abs=3)


@pytest.mark.parametrize(
    ("source", "outputs", "window"),
    [
        ("0", ("live.m3u8",), True),
        ("rtsp://camera/1", ("live.m3u8", "http://:8090/"), True),
        ("scene", ("live.m3u8",), True),
        (__file__, ("live.m3u8",), False),
        ("-", ("live.m3u8",), False),
        ("frame_%04d.png", ("live.m3u8",), False),
        ("0", ("live.m3u8", "out.mp4"), False),
    ],
)
def test_the_window_opens_where_it_is_watched_live(
    source: str, outputs: tuple[str, ...], window: bool
) -> None:
    from live_gradcam.cli.run_arguments import RunArguments

    assert RunArguments(sources=(source,), outputs=outputs).in_window is window
