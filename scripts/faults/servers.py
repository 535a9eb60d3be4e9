"""Small real servers on loopback that drop, stall and go silent when they are told to.

`MjpegServer` speaks MJPEG over HTTP, `RtspServer` H.264 over RTSP with RTP interleaved in TCP.
Both are context managers; `address` is what a viewer opens.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import socket
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from typing_extensions import Self, override

from live_gradcam.native import av, cv2

FPS = 25.0
_PATIENCE_SECONDS = 30.0


def _bound(port: int) -> socket.socket:
    """A socket at a port of this machine, any where it is 0."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def numbered_image(number: int, width: int = 160, height: int = 120) -> np.ndarray:
    """An image that differs from its neighbours: a bright bar that moves over a gradient."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(40, 160, width, dtype=np.uint8)[None, :, None]
    left = number * 7 % width
    image[:, left : left + 12] = (40, 220, 250)
    return image


class LoopbackServer(ABC):
    """A listener and one thread for each viewer.

    Attributes:
        connections: How many viewers have come so far, probes included.
        requests: First line of each request so far.
    """

    scheme = ""

    def __init__(self, *, fps: float = FPS) -> None:
        self.fps = fps
        self.connections = 0
        self.requests: list[str] = []
        self._viewers: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._sending = threading.Event()
        self._sending.set()
        self._speaking = True
        self._closing = False
        self._listener: socket.socket | None = None
        self._reserved: socket.socket | None = None
        self.port = 0
        self.listen()

    @property
    def address(self) -> str:
        """What a viewer opens."""
        return f"{self.scheme}://127.0.0.1:{self.port}/stream"

    def listen(self) -> None:
        """Come (back) to life, always at the same port."""
        listener = _bound(self.port)
        self.port = listener.getsockname()[1]
        if self._reserved is None and sys.platform == "linux":
            # While nobody listens, no other process gets the port, and no viewer that tries it is
            # connected with itself.
            self._reserved = _bound(self.port)
        listener.listen(16)
        with self._lock:
            self._listener = listener
        self._start(self._accept, listener)

    def vanish(self) -> None:
        """Die: nobody listens any more and every viewer is cut off."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone does not wake a thread that waits in accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop()

    def drop(self) -> None:
        """Cut every viewer off; new ones are welcome."""
        with self._lock:
            viewers, self._viewers = self._viewers, set()
        for viewer in viewers:
            with contextlib.suppress(OSError):
                viewer.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Send nothing more, but keep every connection."""
        self._sending.clear()

    def resume(self) -> None:
        """Send again."""
        self._sending.set()

    def go_silent(self) -> None:
        """Cut every viewer off, accept new ones, and never say a word to them."""
        self._speaking = False
        self.drop()

    def speak(self) -> None:
        """End the silence: cut off those who waited through it, serve new viewers."""
        self._speaking = True
        self.drop()

    def close(self) -> None:
        """End everything and wait for the threads."""
        self._closing = True
        self.vanish()
        self._sending.set()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)
        if self._reserved is not None:
            self._reserved.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def serve(self, viewer: socket.socket) -> None:
        """Talk to one viewer until it goes (OSError) or is cut off."""

    def tick(self) -> bool:
        """Wait for the next frame's time; ``False`` once the server closes."""
        time.sleep(1 / self.fps)
        self._sending.wait()
        return not self._closing

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            self._start_locked(function, *arguments)

    def _start_locked(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True, name="test server")
        self._threads = [old for old in self._threads if old.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                viewer, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:  # it has vanished since
                    viewer.close()
                    return
                self.connections += 1
                self._viewers.add(viewer)
                self._start_locked(self._talk, viewer)

    def _talk(self, viewer: socket.socket) -> None:
        try:
            with viewer:
                viewer.settimeout(20)
                if self._speaking:
                    self.serve(viewer)
                else:
                    while viewer.recv(4096):
                        pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._viewers.discard(viewer)

    def _read_request(self, viewer: socket.socket) -> str:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = viewer.recv(4096)
            if not piece:
                raise OSError("the viewer left")
            text += piece
        request = text.decode("latin-1")
        self.requests.append(request.split("\r\n", 1)[0])
        return request


@functools.cache
def _jpegs(width: int, height: int) -> tuple[bytes, ...]:
    return tuple(
        cv2.imencode(".jpg", numbered_image(number, width, height))[1].tobytes()
        for number in range(50)
    )


class MjpegServer(LoopbackServer):
    """MJPEG over HTTP, as network cameras and ESP32 boards send it.

    Set ``reply`` to answer with something else (a whole HTTP response), ``size`` to change the
    images' size for new frames.
    """

    scheme = "http"

    def __init__(self, *, fps: float = FPS, reply: bytes | None = None) -> None:
        self.reply = reply
        self.size = (160, 120)
        super().__init__(fps=fps)

    @override
    def serve(self, viewer: socket.socket) -> None:
        self._read_request(viewer)
        if self.reply is not None:
            viewer.sendall(self.reply)
            return
        viewer.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
            b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        number = 0
        while True:
            jpeg = _jpegs(*self.size)[number % 50]
            viewer.sendall(
                b"--frame\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
            )
            number += 1
            if not self.tick():
                return


@functools.cache
def _h264(width: int, height: int) -> tuple[tuple[bytes, ...], ...]:
    """50 frames as NAL units; every tenth is a key frame with its parameter sets."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, int(FPS))
    encoder.gop_size = 10
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    frames = []
    for number in range(50):
        frame = av.VideoFrame.from_ndarray(numbered_image(number, width, height), format="bgr24")
        frame.pts = number
        frames += [_nal_units(bytes(packet)) for packet in encoder.encode(frame)]
    frames += [_nal_units(bytes(packet)) for packet in encoder.encode(None)]
    return tuple(frames)


def _nal_units(annex_b: bytes) -> tuple[bytes, ...]:
    pieces = annex_b.replace(b"\0\0\0\x01", b"\0\0\x01").split(b"\0\0\x01")
    return tuple(piece for piece in pieces if piece)


class RtspServer(LoopbackServer):
    """H.264 over RTSP 1.0 (RFC 2326), RTP interleaved in the connection, payload as RFC 6184."""

    scheme = "rtsp"
    size = (160, 120)
    _LARGEST_PAYLOAD = 1200

    @override
    def serve(self, viewer: socket.socket) -> None:
        while True:
            request = self._read_request(viewer)
            method, url = request.split(" ", 2)[:2]
            lines = request.split("\r\n")
            number = next(line[5:].strip() for line in lines if line.lower().startswith("cseq:"))
            headers, body = self._answer(method, url)
            viewer.sendall(
                f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            if method == "PLAY":
                self._play(viewer)
            if method in ("PLAY", "TEARDOWN"):
                return

    def _answer(self, method: str, url: str) -> tuple[str, str]:
        if method == "OPTIONS":
            return "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""
        if method == "DESCRIBE":
            return f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\n", self._sdp()
        if method == "SETUP":
            transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            return f"{transport}Session: 12345678\r\n", ""
        return "Session: 12345678\r\n", ""

    def _sdp(self) -> str:
        units = _h264(*self.size)[0]
        sets = [base64.b64encode(unit).decode() for unit in units if unit[0] & 31 in (7, 8)]
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(sets)}\r\n"
            "a=control:track0\r\n"
        )

    def _play(self, viewer: socket.socket) -> None:
        sequence = number = 0
        while True:
            frames = _h264(*self.size)
            payloads = [part for unit in frames[number % 50] for part in self._payloads(unit)]
            for place, payload in enumerate(payloads):
                marker = 0x80 if place == len(payloads) - 1 else 0
                stamp = round(number * 90_000 / FPS) & 0xFFFFFFFF
                packet = struct.pack(">BBHII", 0x80, 96 | marker, sequence & 0xFFFF, stamp, 7)
                packet += payload
                viewer.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                sequence += 1
            number += 1
            if not self.tick():
                return

    def _payloads(self, unit: bytes) -> list[bytes]:
        if len(unit) <= self._LARGEST_PAYLOAD:
            return [unit]
        head, kind = unit[0] & 0xE0 | 28, unit[0] & 31
        pieces = [
            unit[at : at + self._LARGEST_PAYLOAD]
            for at in range(1, len(unit), self._LARGEST_PAYLOAD)
        ]
        last = len(pieces) - 1
        return [
            bytes([head, kind | (0x80 if place == 0 else 0) | (0x40 if place == last else 0)])
            + piece
            for place, piece in enumerate(pieces)
        ]
