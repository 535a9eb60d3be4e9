"""The live picture as a camera of this machine, which video calls can choose."""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

from typing_extensions import override

from live_gradcam.air.newest import Newest
from live_gradcam.errors import SinkError
from live_gradcam.images.geometry import letterbox
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

_FPS = 30.0
_POLL_SECONDS = 0.25
_CLOSE_SECONDS = 2.0
_DRIVERS = {
    "linux": (
        "Install it with sudo apt install v4l2loopback-dkms, and load it with "
        "sudo modprobe v4l2loopback exclusive_caps=1"
    ),
    "darwin": "Install OBS (obsproject.com), start its virtual camera once, and stop it",
    "win32": "Install OBS (obsproject.com)",
}


class VirtualCameraSink(Sink):
    """Shows what is shown as a camera. Never slows the session: the newest frame wins.

    The camera has the size of the source's first frame; frames of another size are fitted into it.

    Args:
        info: Where the frames come from.

    Raises:
        SinkError: pyvirtualcam is missing, or no driver has a virtual camera for it.
    """

    def __init__(self, info: SourceInfo) -> None:
        # Cameras have even sides, as the 4:2:0 that most programs want of them.
        self._size = info.width + info.width % 2, info.height + info.height % 2
        self._camera = _open_camera(*self._size, info.fps or _FPS)
        self._device = str(self._camera.device)
        self._images: Newest[Image] = Newest()
        self._sent = 0
        self._failure: Exception | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="air-camera", daemon=True)
        self._thread.start()

    @property
    @override
    def on_air(self) -> str:
        return f"on air as {self._device}"

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        assert rendered is not None, "it needs the rendered image"
        if self._failure is not None:
            raise SinkError(
                "cannot show the picture as a camera", self._device, str(self._failure)
            ) from self._failure
        self._images.put(rendered.copy())

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._images.end()
        self._thread.join(_CLOSE_SECONDS)
        self._camera.close()

    @property
    @override
    def description(self) -> str:
        return f"{self._device} ({self._sent} frames)"

    def _run(self) -> None:
        number = 0
        while not self._images.ended:
            found = self._images.after(number, _POLL_SECONDS)
            if found is None:
                continue
            number, image = found
            if image.shape[1::-1] != self._size:
                image = letterbox(image, *self._size)
            try:
                self._camera.send(image)
            except Exception as exc:
                self._failure = exc
                return
            self._sent += 1


def _open_camera(width: int, height: int, fps: float) -> Any:  # noqa: ANN401 - pyvirtualcam's
    what = "cannot show the picture as a camera"
    library = _library(what)
    try:
        return library.Camera(width, height, fps, fmt=library.PixelFormat.BGR)
    except Exception as exc:
        cause = "there is no virtual camera on this machine"
        raise SinkError(what, "", cause, _DRIVERS.get(sys.platform, "")) from exc


def _library(what: str) -> ModuleType:
    try:
        return importlib.import_module("pyvirtualcam")
    except ImportError as exc:
        step = "Run pip install 'live-gradcam[virtualcam]'"
        raise SinkError(what, "", "it takes the package pyvirtualcam", step) from exc
