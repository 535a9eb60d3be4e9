"""Tasks that a key press starts beside the session, and what is said of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.errors import LiveGradcamError, SinkError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.session.background import BackgroundTasks
from live_gradcam.session.request import ExplainedFrame
from live_gradcam.values import SourceInfo
from tests.session.doubles import PATIENCE_SECONDS, SlowToOpen, make_explained

SMALL = SourceInfo("s", "scene", live=False, width=160, height=120)


@pytest.fixture
def explained(explainer: Explainer) -> ExplainedFrame:
    return make_explained(explainer, 160, 120)


def await_report(tasks: BackgroundTasks) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    message = ""
    while not message and time.monotonic() < deadline:
        message = tasks.report()
    return message


def await_source(tasks: BackgroundTasks) -> Source:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        source = tasks.opened_source()
        if source is not None:
            return source
    pytest.fail("no source was opened")


def test_on_the_screen_a_file_has_its_name_and_in_the_terminal_its_path(
    tmp_path: Path, explained: ExplainedFrame
) -> None:
    notices: list[str] = []
    tasks = BackgroundTasks(tmp_path, None, notices.append)
    tasks.save_snapshot(explained, explained.frame.image, [{}])
    message = await_report(tasks)
    tasks.close()
    (path,) = tmp_path.glob("*.png")
    assert message == f"saved {path.name}"
    assert notices == [f"saved {path}"]


def test_a_folder_that_cannot_be_written_to_is_said_on_the_screen(
    tmp_path: Path, explained: ExplainedFrame
) -> None:
    notices: list[str] = []
    tasks = BackgroundTasks(tmp_path / "absent", None, notices.append)
    with pytest.raises(SinkError, match="the folder does not exist"):
        tasks.begin_recording(SMALL)
    tasks.save_snapshot(explained, explained.frame.image, [{}])
    assert await_report(tasks) == "cannot create file: the folder does not exist"
    tasks.close()


def test_what_is_under_way_is_finished_at_the_end(
    tmp_path: Path, explained: ExplainedFrame
) -> None:
    notices: list[str] = []
    tasks = BackgroundTasks(tmp_path, None, notices.append)
    assert tasks.begin_recording(SMALL) == "recording"
    tasks.record_frame(explained, explained.frame.image)
    assert not tasks.recording_failed
    tasks.close()
    assert any(notice.startswith("recorded") for notice in notices)
    assert tasks.recording_seconds is None


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that writes snapshots when it may; what is given up is given up at once."""
    may_write = threading.Event()

    def save(*_: object) -> Path:
        assert may_write.wait(PATIENCE_SECONDS)
        return tmp_path / "a.png"

    monkeypatch.setattr("live_gradcam.session.background._CLOSE_SECONDS", 0.0)
    monkeypatch.setattr("live_gradcam.session.background.save_snapshot", save)
    return may_write


def test_what_takes_long_is_written_all_the_same(
    tmp_path: Path, explained: ExplainedFrame, disk: threading.Event
) -> None:
    notices: list[str] = []
    tasks = BackgroundTasks(tmp_path, None, notices.append)
    tasks.save_snapshot(explained, explained.frame.image, [{}])
    threading.Timer(0.1, disk.set).start()
    tasks.close()
    assert notices == [f"saved {tmp_path / 'a.png'}"]


def test_a_signal_waits_for_no_slow_disk(
    tmp_path: Path, explained: ExplainedFrame, disk: threading.Event
) -> None:
    notices: list[str] = []
    tasks = BackgroundTasks(tmp_path, None, notices.append)
    tasks.save_snapshot(explained, explained.frame.image, [{}])
    tasks.close(hurried=True)
    assert notices == []
    disk.set()


def test_a_camera_opens_in_the_background_and_is_handed_out_once(tmp_path: Path) -> None:
    may_open = threading.Event()

    def open_camera() -> Source:
        assert may_open.wait(PATIENCE_SECONDS)
        return SceneSource(max_frames=1)

    tasks = BackgroundTasks(tmp_path, open_camera, lambda _: None)
    tasks.open_next_source()
    assert tasks.opened_source() is None
    may_open.set()
    await_source(tasks).close()
    assert tasks.opened_source() is None
    tasks.close()


def test_where_there_is_no_other_camera_that_is_an_error(tmp_path: Path) -> None:
    tasks = BackgroundTasks(tmp_path, lambda: None, lambda _: None)
    tasks.open_next_source()
    with pytest.raises(LiveGradcamError, match="there is no other camera"):
        await_source(tasks)
    tasks.close()


def test_a_camera_that_opens_after_the_end_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_gradcam.session.background._CLOSE_SECONDS", 0.01)
    opened = SlowToOpen()
    tasks = BackgroundTasks(tmp_path, opened.open, lambda _: None)
    tasks.open_next_source()
    tasks.close()
    opened.may_open.set()
    assert opened.closed.wait(PATIENCE_SECONDS)
