"""The main job on real input: real clips, real photographs, real weights, the whole command."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from live_gradcam.native import av

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def squeezenet(shared: Path) -> list[str]:
    """Options that select SqueezeNet 1.1 with its real ImageNet weights."""
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    return ["--model", "squeezenet1_1", "--weights", str(weights)]


def timestamps(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(
            packet.pts * packet.time_base for packet in container.demux(stream) if packet.size
        )


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_a_real_clip_is_explained_frame_by_frame_with_its_sound(
    command: Command, shared: Path, tmp_path: Path, squeezenet: list[str]
) -> None:
    clip = shared / "media" / "video" / "car-detection.mp4"
    done = command(
        "run",
        *(clip, "-o", "out.mp4", "-o", "out.jsonl", "--no-window", "--verbose"),
        *squeezenet,
        timeout=840,
    )
    assert done.returncode == 0, done.stderr
    assert "377 frames in" in done.stderr
    assert "p50/p95 in ms: decode" in done.stderr
    assert "wrote out.mp4" in done.stderr

    original, written = timestamps(clip), timestamps(tmp_path / "out.mp4")
    assert len(original) == 377
    assert written == original
    assert audio_packets(tmp_path / "out.mp4") == audio_packets(clip)
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0].codec_context
        assert (video.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (768, 432)

    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(377))
    assert [record["pts_seconds"] for record in records] == pytest.approx(
        [float(pts) for pts in original]
    )
    assert all(record["region"] == [196, 27, 378, 378] for record in records)
    for record in records:
        probabilities = [each["probability"] for each in record["predictions"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert record["explained"] == record["predictions"][0]["class_index"]


def test_a_folder_of_real_photographs_is_named_right(
    command: Command, shared: Path, tmp_path: Path, squeezenet: list[str]
) -> None:
    folder = shared / "media" / "images"
    done = command("run", folder, "-o", "explained/", "-o", "all.csv", *squeezenet, timeout=840)
    assert done.returncode == 0, done.stderr
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        truth = {row["file"]: row["imagenet_index"] for row in csv.DictReader(lines)}
    with (tmp_path / "all.csv").open(encoding="utf-8") as lines:
        rows = {row["source"]: row for row in csv.DictReader(lines)}
    photographs = sorted(path.name for path in folder.glob("*.jpg"))
    assert sorted(rows) == photographs
    assert sorted(path.name for path in (tmp_path / "explained").iterdir()) == photographs
    right = sum(rows[name]["explained"] == truth[name] for name in photographs)
    assert right >= 36


def test_a_generated_scene_goes_the_same_way(command: Command, tmp_path: Path) -> None:
    done = command(
        "run",
        "scene",
        "-o",
        "scene.mkv",
        "-o",
        "one.jsonl",
        "--max-frames",
        "20",
        "--model",
        "scenes",
    )
    assert done.returncode == 0, done.stderr
    assert len(timestamps(tmp_path / "scene.mkv")) == 20
    assert len((tmp_path / "one.jsonl").read_text().splitlines()) == 20


def test_the_demo_without_a_display_is_a_video(command: Command, tmp_path: Path) -> None:
    done = command("demo", "--seconds", "2")
    assert done.returncode == 0, done.stderr
    assert "no window" in done.stderr
    assert len(timestamps(tmp_path / "demo.mp4")) == 60
    assert "60 frames in" in done.stderr
