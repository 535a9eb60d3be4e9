"""The ring of cameras."""

from __future__ import annotations

from live_gradcam.capture.camera import CameraInfo
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.session import CameraRing


def test_the_ring_of_cameras_goes_round_and_past_one_that_fails() -> None:
    cameras = [CameraInfo(0, "HD Webcam", "/dev/video0"), CameraInfo(4, "Cam Link", "/dev/video4")]
    opened: list[int] = []

    def open_camera(index: int) -> Source:
        opened.append(index)
        return SceneSource(max_frames=1)

    for current in ("0", "/dev/video0", "hd webcam"):
        ring = CameraRing(current, open_camera, cameras=lambda: cameras)
        opened.clear()
        for _ in range(3):
            source = ring()
            assert source is not None
        assert opened == [4, 0, 4]
    alone = CameraRing("0", open_camera, cameras=lambda: cameras[:1])
    assert alone() is None
