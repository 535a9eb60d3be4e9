"""Cameras, by number, device path or name."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeAlias

from live_gradcam.capture.freeze_detector import FreezeDetector
from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.errors import UsageError
from live_gradcam.native import cv2
from live_gradcam.values import Image

_logger = logging.getLogger(__name__)

_BACKENDS: dict[str, tuple[int, ...]] = {
    "linux": (cv2.CAP_V4L2,),
    "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "darwin": (cv2.CAP_AVFOUNDATION,),
}
_READS_BEFORE_LOST = 3
_HANG_SECONDS = 5.0
_STALL_SECONDS = 2.0
_FOURCC = {
    "mjpeg": "MJPG",
    "yuyv422": "YUYV",
    "uyvy422": "UYVY",
    "nv12": "NV12",
    "h264": "H264",
}
# From here on most webcams reach their rate only with compressed images.
_COMPRESSED_FROM_PIXELS = 1280 * 720


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera of this machine.

    Attributes:
        index: The number to open it by.
        name: As the system shows it.
        path: Device path where the system has one, else empty.
    """

    index: int
    name: str
    path: str


class CaptureDevice(Protocol):
    """The part of ``cv2.VideoCapture`` that a camera needs."""

    def read(self) -> tuple[bool, Any]:
        """Return ``True`` and the next image, ``uint8 (H, W, 3)`` BGR, or ``False`` without one."""

    def get(self, propId: int, /) -> float:
        """Return a property such as ``cv2.CAP_PROP_FPS``; 0 where unknown."""

    def set(self, propId: int, value: float, /) -> bool:
        """Ask for a value of a property."""

    def release(self) -> None:
        """Give the device back."""


OpenCapture: TypeAlias = Callable[[int | str], CaptureDevice]
"""Opens a device by number or path; raises `ConnectionLost` where it cannot."""


def open_cv2_capture(device: int | str) -> CaptureDevice:
    """Open a camera with OpenCV and the backend that is right for this system.

    Raises:
        ConnectionLost: The camera is missing, busy, or not permitted.
    """
    if sys.platform.startswith("linux"):
        path = Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)
        # Asking first tells missing from busy, which OpenCV does not.
        if not path.exists():
            raise ConnectionLost("there is no such camera")
        if not os.access(path, os.R_OK | os.W_OK):
            raise ConnectionLost("using it is not permitted to this user")
    for backend in _BACKENDS.get(sys.platform, (cv2.CAP_ANY,)):
        try:
            capture = cv2.VideoCapture(device, backend)
        except cv2.error as exc:
            raise ConnectionLost(f"OpenCV failed ({exc})") from exc
        if capture.isOpened():
            return capture
        capture.release()
    raise ConnectionLost("there is no such camera, or another program uses it")


def list_cameras() -> tuple[CameraInfo, ...]:
    """List the cameras of this machine, by number; none where the system cannot tell."""
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        backend = _BACKENDS.get(sys.platform, (cv2.CAP_ANY,))[0]
        found = [
            CameraInfo(int(camera.index) % 100, str(camera.name), str(camera.path or ""))
            for camera in enumerate_cameras(backend)
        ]
    except Exception as exc:
        _logger.info("cameras cannot be listed: %s", exc)
        return ()
    return tuple(sorted(found, key=lambda camera: camera.index))


def find_camera(name: str) -> CameraInfo | None:
    """Return the camera of that name, or the only one whose name contains it, whatever the case."""
    wanted = name.casefold().strip()
    cameras = list_cameras()
    exact = [camera for camera in cameras if camera.name.casefold() == wanted]
    alike = [camera for camera in cameras if wanted and wanted in camera.name.casefold()]
    if exact:
        return exact[0]
    return alike[0] if len(alike) == 1 else None


class CameraSource(LiveReader):
    """A camera, read by one thread; the newest image wins.

    A frozen image (the same to the bit for 5 s) restarts the camera, a black one is a warning in
    the banner. See `LiveReader` for what happens in an outage.

    Args:
        device: Number, or device path.
        width: Asked for, in pixels; what was granted is noted.
        height: Asked for, in pixels.
        fps: Asked for.
        input_format: Asked for: ``mjpeg``, ``yuyv422`` or four letters such as ``H264``.
        max_outage_seconds: Give up after an outage of that length; ``None`` never gives up.
        on_notice: Told each note when it arises.
        open_capture: Opens the device; replace it to script a camera in a test.
        cameras: Lists what there is, for the message when opening fails.
        clock: Monotonic seconds.
        wait: Waits for that many seconds.
        random: For the jitter between attempts.
    """

    def __init__(
        self,
        device: int | str,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        input_format: str | None = None,
        max_outage_seconds: float | None = None,
        on_notice: Callable[[str], None] | None = None,
        open_capture: OpenCapture = open_cv2_capture,
        cameras: Callable[[], tuple[CameraInfo, ...]] = list_cameras,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        random: Random | None = None,
    ) -> None:
        self._device = device
        self._requested = (width, height, fps)
        self._fourcc = None if input_format is None else _fourcc(input_format)
        self._open_capture = open_capture
        self._cameras = cameras
        self._freeze_detector = FreezeDetector()
        self._device_clock = clock
        super().__init__(
            name=f"camera {device}",
            kind="camera",
            connect=self._open_device,
            policy=LivePolicy(
                first_image_seconds=0.0,
                hang_seconds=_HANG_SECONDS,
                stall_seconds=_STALL_SECONDS,
                max_outage_seconds=max_outage_seconds,
            ),
            remedy=self._name_cameras,
            on_notice=on_notice,
            clock=clock,
            wait=wait,
            random=random,
        )

    def _open_device(self) -> _DeviceConnection:
        capture = self._open_capture(self._device)
        try:
            self._request_settings(capture)
            return _DeviceConnection(capture, self._freeze_detector, self._device_clock)
        except BaseException:
            capture.release()
            raise

    def _request_settings(self, capture: CaptureDevice) -> None:
        width, height, fps = self._requested
        fourcc = self._fourcc
        if fourcc is None and (width or 0) * (height or 0) >= _COMPRESSED_FROM_PIXELS:
            fourcc = "MJPG"
        if fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
        requests = (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
        )
        for name, value in requests:
            if value is not None:
                capture.set(name, float(value))
        if any(value is not None for value in self._requested):
            granted = tuple(capture.get(name) for name, _ in requests)
            self._note(
                f"{self._name}: asked for {_describe(width, height, fps)}, "
                f"granted {_describe(*granted)}"
            )

    def _name_cameras(self) -> str:
        cameras = self._cameras()
        if not cameras:
            return "No camera was found on this machine; try the source scene"
        return "Cameras here: " + ", ".join(f"{camera.index} ({camera.name})" for camera in cameras)


class _DeviceConnection:
    def __init__(
        self, capture: CaptureDevice, freeze_detector: FreezeDetector, clock: Callable[[], float]
    ) -> None:
        self._capture = capture
        self._freeze_detector = freeze_detector
        self._clock = clock
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = rate if 0 < rate <= 1000 else None
        self.warning = ""

    def read(self) -> Image | None:
        for _ in range(_READS_BEFORE_LOST):
            try:
                good, image = self._capture.read()
            except cv2.error as exc:
                raise ConnectionLost(f"OpenCV failed ({exc})") from exc
            if good and image is not None and image.size:
                return self._checked(image)
        raise ConnectionLost("it gives no pictures; unplugged, or another program uses it")

    def close(self) -> None:
        self._capture.release()

    def _checked(self, image: Image) -> Image:
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]
        restart = self._freeze_detector.check(image, self._clock())
        self.warning = self._freeze_detector.warning
        if restart:
            raise ConnectionLost(self.warning)
        return image


def _fourcc(input_format: str) -> str:
    """Return the four letters of a format.

    Raises:
        UsageError: It has neither a name that is known nor four letters.
    """
    known = _FOURCC.get(input_format.lower())
    if known is None and len(input_format) == 4 and input_format.isascii():
        known = input_format.upper()
    if known is None:
        step = f"Use one of {', '.join(_FOURCC)}, or four letters such as MJPG"
        raise UsageError("unknown format of a camera", input_format, "", step)
    return known


def _describe(width: float | None, height: float | None, fps: float | None) -> str:
    size = f"{width or 0:.0f}x{height or 0:.0f}" if width or height else "any size"
    if not (width and height) and (width or height):
        size = f"{width:.0f} wide" if width else f"{height:.0f} high"
    return size + (f" at {fps:g} fps" if fps else "")
