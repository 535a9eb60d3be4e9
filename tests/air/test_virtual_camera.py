"""A virtual camera, through the library's own door for drivers: no driver can be loaded here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from live_gradcam.air.open import open_sink
from live_gradcam.air.virtual_camera import VirtualCameraSink
from live_gradcam.errors import SinkError
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

pyvirtualcam = pytest.importorskip("pyvirtualcam")

INFO = SourceInfo(name="camera 0", kind="camera", live=True, width=63, height=48, fps=25.0)


class Driver:
    """What a driver is for pyvirtualcam; remembers what it was sent."""

    opened: tuple[int, int, float] | None = None
    pictures: list[Image] = []  # noqa: RUF012 - the library makes the object, the test reads it
    closed = 0
    broken = False

    def __init__(
        self, width: int, height: int, fps: float, fourcc: int, device: str | None
    ) -> None:
        Driver.opened, Driver.pictures, Driver.closed = (width, height, fps), [], 0

    def device(self) -> str:
        return "/dev/video9"

    def native_fourcc(self) -> int | None:
        return None

    def send(self, frame: Image) -> None:
        if Driver.broken:
            raise OSError("the device is gone")
        assert self.opened is not None
        Driver.pictures.append(frame.reshape(self.opened[1], self.opened[0], 3).copy())

    def close(self) -> None:
        Driver.closed += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> type[Driver]:
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {"test": Driver})
    Driver.broken = False
    return Driver


def write(sink: VirtualCameraSink, image: Image, explanation: Explanation) -> None:
    sink.write(Frame(image, 0, 0.0, "camera 0", 0.0), image, explanation)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_camera_shows_what_is_shown(
    driver: type[Driver], make_explanation: Callable[..., Explanation]
) -> None:
    sink = open_sink("camera", INFO)
    assert isinstance(sink, VirtualCameraSink)
    with sink:
        assert driver.opened == (64, 48, 25.0), "even sides"
        assert sink.on_air == "on air as /dev/video9"
        picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        write(sink, picture, make_explanation())
        wait_until(lambda: bool(driver.pictures))
        assert np.array_equal(driver.pictures[-1], picture), "blue, green, red, as it is"
        write(sink, np.full((96, 256, 3), 200, np.uint8), make_explanation())
        wait_until(lambda: len(driver.pictures) == 2)
        fitted = driver.pictures[-1]
        assert fitted.shape == (48, 64, 3)
        assert (fitted[24] == 200).all()
        assert (fitted[0] == 0).all()
    sink.close()
    assert driver.closed == 1
    assert sink.description == "/dev/video9 (2 frames)"


def test_a_driver_that_breaks_is_an_error(
    driver: type[Driver], make_explanation: Callable[..., Explanation]
) -> None:
    driver.broken = True
    with VirtualCameraSink(INFO) as sink:

        def write_until_it_fails() -> None:
            for _ in range(3000):
                write(sink, np.zeros((48, 64, 3), np.uint8), make_explanation())
                time.sleep(0.01)

        with pytest.raises(SinkError, match="the device is gone"):
            write_until_it_fails()


def test_without_a_driver_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {})
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(SinkError, match="no virtual camera on this machine") as raised:
        open_sink("camera", INFO)
    assert "modprobe v4l2loopback" in str(raised.value)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(SinkError, match=r"live-gradcam\[virtualcam\]"):
        VirtualCameraSink(INFO)
