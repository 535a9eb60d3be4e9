"""Devices by FFmpeg's names: what needs no hardware is opened, the rest is refused in words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from live_gradcam.capture.camera import CameraSource
from live_gradcam.capture.device import device_spec
from live_gradcam.capture.open import open_source, require_source, source_files
from live_gradcam.capture.source import LiveSource
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.native import av, cv2
from tests.helpers.cameras import PATIENCE, FakeClock, Gate, ScriptedCamera, noise


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("v4l2:/dev/video0", ("v4l2", "/dev/video0")),
        ("dshow:USB: Camera", ("dshow", "USB: Camera")),
        ("lavfi:testsrc=size=64x48", ("lavfi", "testsrc=size=64x48")),
        ("v4l2:", None),
        ("clip.mp4", None),
        ("rtsp://v4l2:8554/live", None),
    ],
)
def test_what_is_a_device(text: str, spec: tuple[str, str] | None) -> None:
    assert device_spec(text) == spec
    if spec is not None:
        assert source_files(text) == ()
        require_source(text)


def test_a_pattern_is_live_as_a_camera_is() -> None:
    """`color` draws what is known; `realtime` holds it to its rate, as a device does."""
    with open_source("lavfi:color=c=0x2040C0:size=96x64:rate=30,format=rgb24,realtime") as source:
        assert isinstance(source, LiveSource)
        info = source.info
        assert (info.width, info.height, info.live, info.kind) == (96, 64, True, "camera")
        assert info.name.startswith("lavfi:color")
        frame = source.newest(PATIENCE)
        assert frame is not None
        later = source.newest(PATIENCE)
    assert frame.image.shape == (64, 96, 3)
    assert np.abs(frame.image.astype(int) - (0xC0, 0x40, 0x20)).max() <= 2, "blue, green, red"
    assert later is not None
    assert later.pts_seconds > frame.pts_seconds


def test_a_device_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SourceError, match=r"^cannot read camera: v4l2:/dev/video87: .*no such"):
        open_source("v4l2:/dev/video87")


def test_a_kind_that_this_ffmpeg_lacks_is_said() -> None:
    for kind in ("dshow", "avfoundation", "gdigrab"):
        if not any(kind in each.split(",") for each in av.formats_available):
            with pytest.raises(SourceError, match="this build of FFmpeg has no such devices"):
                open_source(f"{kind}:0")
            return
    pytest.skip("this build has them all")


@pytest.mark.parametrize(
    ("given", "fourcc"),
    [("mjpeg", "MJPG"), ("YUYV422", "YUYV"), ("h264", "H264"), ("mjpg", "MJPG")],
)
def test_a_camera_is_asked_for_its_format(given: str, fourcc: str) -> None:
    clock, gate = FakeClock(), Gate()
    camera = ScriptedCamera(clock, [[*noise(1), gate]])
    with CameraSource(
        0, input_format=given, open_capture=camera.open, clock=clock, wait=clock.wait
    ):
        assert camera.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*fourcc)
        gate.open()


def test_a_format_without_a_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError, match=re.escape("mjpeg, yuyv422")):
        CameraSource(0, input_format="motion jpeg")
