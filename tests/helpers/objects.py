"""A camera on the network before which objects are held up, as a test wants them."""

from __future__ import annotations

import functools
import socket

from typing_extensions import override

from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.scenes.backgrounds import add_noise
from live_gradcam.scenes.placement import generator
from live_gradcam.values import Image
from scripts.faults.servers import LoopbackServer
from tests.teaching.sessions import show, wall

WIDTH, HEIGHT = 640, 480
FRAMES = 24


@functools.cache
def pictures(shape: int | None) -> tuple[bytes, ...]:
    """Frames of an object that moves before a wall, or of the wall alone, as JPEG files."""
    behind = wall(5)
    if shape is None:
        images: list[Image] = []
        for number in range(FRAMES):
            image = behind.copy()
            add_noise(generator(number, 1), image, 2)
            images.append(image)
    else:
        images = show(shape, behind, 11 + shape, FRAMES).frames
    shown = (resize(each, WIDTH, HEIGHT) for each in images)
    return tuple(cv2.imencode(".jpg", each)[1].tobytes() for each in shown)


class ObjectServer(LoopbackServer):
    """MJPEG over HTTP of what is held up: a class of the scenes, or nothing.

    Attributes:
        shape: The class; ``None`` for the wall alone. To be set at any time.
    """

    scheme = "http"

    def __init__(self, *, fps: float = 15.0) -> None:
        self.shape: int | None = None
        super().__init__(fps=fps)

    @override
    def serve(self, viewer: socket.socket) -> None:
        self._read_request(viewer)
        viewer.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
            b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        number = 0
        while True:
            jpeg = pictures(self.shape)[number % FRAMES]
            viewer.sendall(
                b"--frame\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
            )
            number += 1
            if not self.tick():
                return
