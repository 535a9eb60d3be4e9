"""Cameras: the newest image wins, every outage is mended, and what is odd is said."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np
import pytest

from live_gradcam.capture.camera import CameraInfo, CameraSource, find_camera
from live_gradcam.capture.live import Backoff
from live_gradcam.capture.source import LiveState
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from tests.helpers.cameras import PATIENCE, FakeClock, Gate, ScriptedCamera, Step, flat, noise

CAMERAS = (CameraInfo(0, "Integrated", "/dev/video0"), CameraInfo(2, "Stage", "/dev/video2"))


def state_of(source: CameraSource) -> LiveState:
    """The state at this moment; asked through a function because it changes by itself."""
    return source.state


def start(
    scripts: Iterable[Iterable[Step] | None], **options: Any
) -> tuple[ScriptedCamera, CameraSource]:
    clock = FakeClock()
    camera = ScriptedCamera(clock, scripts)
    source = CameraSource(
        0,
        open_capture=camera.open,
        cameras=lambda: CAMERAS,
        clock=clock,
        wait=clock.wait,
        random=Random(0),
        **options,
    ).open()
    return camera, source


def test_the_newest_image_wins_and_the_others_are_counted() -> None:
    gate, last = Gate(), Gate()
    images = noise(10)
    _, source = start([[*images[:7], gate, *images[7:], last]])
    with source:
        gate.await_camera()
        frame = source.newest(PATIENCE)
        assert frame is not None
        np.testing.assert_array_equal(frame.image, images[6])
        assert (frame.index, source.dropped) == (0, 6)
        assert source.newest(0) is None
        gate.open()
        last.await_camera()
        again = source.newest(PATIENCE)
        assert again is not None
        np.testing.assert_array_equal(again.image, images[9])
        assert (again.index, source.dropped) == (1, 8)
        assert again.pts_seconds > frame.pts_seconds >= 0
        assert again.captured_seconds == pytest.approx(1000 + 10 / 30)
        assert (source.state, source.banner) == ("running", "")
        last.open()


def test_what_it_is_and_what_was_granted() -> None:
    gate = Gate()
    clock = FakeClock()
    camera = ScriptedCamera(clock, [[*noise(1), gate]])
    camera.granted = {
        cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480, cv2.CAP_PROP_FPS: 15,
    }  # fmt: skip
    told: list[str] = []
    with CameraSource(
        0, width=1920, height=1080, fps=60, open_capture=camera.open, on_notice=told.append,
        clock=clock, wait=clock.wait,
    ) as source:  # fmt: skip
        info = source.info
        assert (info.name, info.kind, info.live) == ("camera 0", "camera", True)
        assert (info.width, info.height, info.fps) == (64, 48, 15)
        assert camera.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1920
        assert camera.asked[cv2.CAP_PROP_FPS] == 60
        assert camera.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
        sentence = "camera 0: asked for 1920x1080 at 60 fps, granted 640x480 at 15 fps"
        assert told == list(source.notes) == [sentence]
        gate.open()


def test_small_images_are_not_asked_to_be_compressed() -> None:
    gate = Gate()
    camera, source = start([[*noise(1), gate]], width=640, height=480)
    with source:
        assert cv2.CAP_PROP_FOURCC not in camera.asked
        assert cv2.CAP_PROP_FPS not in camera.asked
        gate.open()


@pytest.mark.parametrize("script", [None, [], ["fail"] * 9, ["break"]])
def test_a_camera_that_gives_nothing_is_an_error_that_names_the_others(
    script: list[Step] | None,
) -> None:
    with pytest.raises(SourceError) as caught:
        start([script, noise(5)])
    assert caught.value.exit_code == 3
    assert "camera 0" in str(caught.value)
    assert "0 (Integrated), 2 (Stage)" in str(caught.value)


def test_without_any_camera_the_way_out_is_named() -> None:
    camera = ScriptedCamera(FakeClock(), [None])
    with pytest.raises(SourceError, match="No camera was found"):
        CameraSource(3, open_capture=camera.open, cameras=tuple).open()


def test_unplugged_and_plugged_in_again() -> None:
    before, after = Gate(), Gate()
    camera, source = start(
        [[*noise(3), before], None, None, ["fail"] * 5, [*noise(2, seed=1), after]]
    )
    with source:
        before.await_camera()
        assert source.newest(PATIENCE) is not None
        before.open()
        after.await_camera()
        frame = source.newest(PATIENCE)
        assert frame is not None
        assert frame.index == 1
        assert (source.state, source.banner) == ("running", "")
        assert camera.opened == 5
        assert source.notes == ()
        after.open()


def test_the_banner_tells_the_outage() -> None:
    looking = threading.Event()
    go_on = threading.Event()
    clock = FakeClock()

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        if clock.now > 1010 and not go_on.is_set():
            looking.set()
            go_on.wait(PATIENCE)

    camera = ScriptedCamera(clock, [noise(3), *[None] * 30])
    with CameraSource(
        0, open_capture=camera.open, clock=clock, wait=wait, random=Random(1), max_outage_seconds=60
    ) as source:
        assert source.newest(PATIENCE) is not None
        assert looking.wait(PATIENCE)
        assert state_of(source) == "reconnecting"
        assert "camera 0: there is no such camera, reconnecting for 1" in source.banner
        assert source.newest(0) is None
        go_on.set()
        with pytest.raises(SourceError, match="no such camera") as caught:
            source.newest(PATIENCE)
        assert caught.value.exit_code == 3
        assert 60 <= clock.now - 1000 <= 67
        assert state_of(source) == "ended"
        with pytest.raises(SourceError):
            list(source)
    assert list(source) == []


def test_waits_double_from_a_quarter_second_to_five_with_jitter() -> None:
    backoff = Backoff(Random(3))
    wanted = [0.25, 0.5, 1, 2, 4, 5, 5, 5]
    waits = [backoff.next_seconds() for _ in wanted]
    for wait, middle in zip(waits, wanted, strict=True):
        assert 0.8 * middle <= wait <= 1.2 * middle
    assert len({round(wait / middle, 6) for wait, middle in zip(waits, wanted, strict=True)}) == 8
    backoff.reset()
    assert backoff.next_seconds() <= 0.3


def test_a_stalled_camera_is_noticed_by_the_clock_alone() -> None:
    gate, last = Gate(), Gate()
    camera, source = start([[*noise(2), gate, *noise(1, seed=5), last]])
    with source:
        gate.await_camera()
        assert state_of(source) == "running"
        camera.clock.now += 2.5
        assert state_of(source) == "stalled"
        assert source.banner == "camera 0: no picture for 3 s, waiting"
        assert source.newest(0) is not None
        assert source.newest(0) is None
        gate.open()
        assert source.newest(PATIENCE) is not None
        assert state_of(source) == "running"
        last.open()


def test_a_frozen_camera_is_restarted_and_a_still_one_only_marked() -> None:
    end = Gate()
    frozen = flat(90, 160)
    camera, source = start([[*noise(2), *frozen], [*frozen, *frozen], [*frozen[:2], end]])
    with source:
        end.await_camera()
        # The first restart came after 5 s of the same image, the next after 10 s more.
        assert camera.opened == 3
        restarts = camera.clock.now - 1000
        assert 15 <= restarts <= 17
        assert source.banner == "camera 0: the picture is frozen"
        assert state_of(source) == "running"
        end.open()


def test_a_black_image_is_a_warning_only() -> None:
    dark, light = Gate(), Gate()
    camera, source = start([[*noise(2), *flat(0, 400), dark, *noise(2, seed=2), light]])
    with source:
        dark.await_camera()
        assert state_of(source) == "running"
        assert "black" in source.banner
        assert camera.opened == 1
        dark.open()
        light.await_camera()
        assert source.banner == ""
        light.open()


def test_another_size_is_letterboxed_with_one_note() -> None:
    gate = Gate()
    wide = noise(3, width=96, height=48)
    _, source = start([[*noise(2), *wide, gate]])
    with source:
        gate.await_camera()
        frame = source.newest(PATIENCE)
        assert frame is not None
        assert frame.image.shape == (48, 64, 3)
        assert frame.image[:8].max() == frame.image[-8:].max() == 0
        assert frame.image[9:-9].min() > 0
        assert len(source.notes) == 1
        assert "from 64x48 to 96x48" in source.notes[0]
        gate.open()


def test_grey_cameras_become_colour() -> None:
    gate = Gate()
    grey = [image[..., 0] for image in noise(1)]
    _, source = start([[*grey, gate]])
    with source:
        frame = source.newest(PATIENCE)
        assert frame is not None
        np.testing.assert_array_equal(frame.image[..., 2], grey[0])
        gate.open()


def test_close_ends_a_wait_and_a_reader_that_hangs() -> None:
    gate = Gate()
    camera, source = start([[*noise(1), gate]])
    gate.await_camera()
    assert source.newest(PATIENCE) is not None
    results: list[object] = []
    waiter = threading.Thread(target=lambda: results.append(source.newest(30)))
    waiter.start()
    # The reader hangs in the device: close leaves it to itself after half a second.
    source.close()
    waiter.join(PATIENCE)
    assert results == [None]
    assert not waiter.is_alive()
    assert (source.state, source.banner) == ("ended", "")
    source.close()
    gate.open()
    while camera.released < camera.opened:
        threading.Event().wait(0.01)


def test_a_bug_in_the_reader_is_carried_to_the_consumer() -> None:
    class Broken(ScriptedCamera):
        broken = False

        def read(self) -> tuple[bool, np.ndarray | None]:
            if self.opened and self.broken:
                raise ZeroDivisionError("a bug")
            return super().read()

    clock = FakeClock()
    gate = Gate()
    camera = Broken(clock, [[*noise(1), gate, *noise(3)]])
    with CameraSource(0, open_capture=camera.open, clock=clock, wait=clock.wait) as source:
        assert source.newest(PATIENCE) is not None
        camera.broken = True
        gate.open()
        with pytest.raises(ZeroDivisionError):
            list(source)
    assert camera.released == camera.opened


def test_cameras_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_gradcam.capture.camera.list_cameras", lambda: CAMERAS)
    assert find_camera("stage") == CAMERAS[1]
    assert find_camera("INTEG") == CAMERAS[0]
    assert find_camera("t") is None
    assert find_camera("") is None
    assert find_camera("nothing") is None


def test_a_missing_camera_makes_no_noise() -> None:
    code = (
        "from live_gradcam.capture.open import open_source\n"
        "from live_gradcam.errors import SourceError\n"
        "try: open_source(93)\n"
        "except SourceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True
    )
    assert done.stderr == ""
    assert "camera 93" in done.stdout
