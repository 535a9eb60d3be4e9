"""The outputs of a session: names, snapshots, recordings, and the writer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.errors import SinkError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.images import read_image
from live_gradcam.lifecycle import StopToken
from live_gradcam.native import av
from live_gradcam.session.outputs import Recording, Writer, fresh_paths, save_snapshot
from live_gradcam.show.sink import Sink
from live_gradcam.timing import StageClock
from live_gradcam.values import Explanation, Frame, Image, Region, SourceInfo
from tests.session.doubles import PATIENCE_SECONDS, MemorySink

CAMERA = SourceInfo("camera 0", "camera", live=True, width=320, height=240, fps=30.0)


def test_names_are_never_used_twice(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 23, 12, 0, 0)
    made = [fresh_paths(tmp_path, (".png", ".json"), now=lambda: noon) for _ in range(3)]
    assert [path.name for path, _ in made] == [
        "live-gradcam-20261123-120000.png",
        "live-gradcam-20261123-120000-2.png",
        "live-gradcam-20261123-120000-3.png",
    ]
    with pytest.raises(SinkError, match="the folder does not exist"):
        fresh_paths(tmp_path / "absent", (".png",))


def test_a_snapshot_is_the_rendered_image_and_its_record(
    tmp_path: Path, explainer: Explainer, image: Image
) -> None:
    explanation = explainer.explain(image)
    rendered = np.ascontiguousarray(255 - image)
    frame = Frame(image, 7, 0.25, "scene")
    path = save_snapshot(tmp_path, frame, rendered, [explanation], [{"truth": {}}])
    assert np.array_equal(read_image(path), rendered)
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["index"] == 7
    assert record["predictions"][0]["label"] == explanation.predictions[0].label
    assert record["truth"] == {}


def read_times(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]


def test_a_recording_begins_midway_and_ends_at_will(
    tmp_path: Path, explainer: Explainer, image: Image
) -> None:
    explanation = explainer.explain(image)
    path = tmp_path / "show.mp4"
    recording = Recording(path, CAMERA)
    recording.start()
    for n in range(5):
        recording.write(Frame(image, 100 + n, 9.0 + n / 30), image, explanation)
    message = recording.finish()
    assert "5 frames" in message
    assert read_times(path) == pytest.approx([n / 30 for n in range(5)], abs=1e-3)


def test_a_recording_without_frames_leaves_no_file(tmp_path: Path) -> None:
    (path,) = fresh_paths(tmp_path, (".mp4",))
    recording = Recording(path, CAMERA)
    recording.start()
    recording.finish()
    assert not list(tmp_path.iterdir())


class FullDisk(MemorySink):
    """Fails at the first frame."""

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        raise SinkError("cannot write", "disk", "it is full")


def write_one(sinks: Sequence[Sink], explanation: Explanation, then: Exception | None) -> None:
    frame = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0)
    with Writer(sinks, StageClock()) as writer:
        writer.write(frame, frame.image, [explanation], [{}])
        if then is not None:
            raise then


def test_a_writer_reports_the_output_that_failed_and_closes_all(
    make_explanation: Callable[..., Explanation],
) -> None:
    full, kept = FullDisk(), MemorySink()
    with pytest.raises(SinkError, match="it is full"):
        write_one([full, kept], make_explanation(), None)
    assert full.closed
    assert kept.closed


def test_a_writer_hides_nothing_that_is_on_its_way(
    make_explanation: Callable[..., Explanation],
) -> None:
    full = FullDisk()
    with pytest.raises(KeyError, match="first"):
        write_one([full], make_explanation(), KeyError("first"))
    assert full.closed


def test_an_end_that_was_asked_for_leaves_all_sinks_with_the_same_frames() -> None:
    stop, ended = StopToken(), threading.Event()

    class Slow(MemorySink):
        def write(self, *given: Any, **extra: Any) -> None:
            assert ended.wait(PATIENCE_SECONDS)
            super().write(*given, **extra)

    sinks = [MemorySink(count=1), Slow()]
    nothing = Explanation((), (), np.zeros((0, 1, 1), np.float32), Region(0, 0, 4, 4))
    image = np.zeros((4, 4, 3), np.uint8)
    with Writer(sinks, StageClock(), stop) as writer:
        for index in range(8):
            writer.write(Frame(image, index, 0.0), image, [nothing], [{}])
        assert sinks[0].enough.wait(PATIENCE_SECONDS), "one frame is being written"
        stop.request()
        ended.set()
    counts = [len(sink.frames) for sink in sinks]
    assert counts == [1, 1], "what waited is written to none"
    assert all(sink.closed for sink in sinks)
