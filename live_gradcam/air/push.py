"""The live picture sent to a server: RTSP, RTMP, and MPEG-TS over UDP, TCP or SRT."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from typing_extensions import override

from live_gradcam.air.newest import Newest
from live_gradcam.air.push_process import PushProcess
from live_gradcam.air.push_worker import TIMEOUT_SECONDS
from live_gradcam.credentials import hide_secrets, parse_address, scheme_of
from live_gradcam.errors import SinkError
from live_gradcam.native import cv2
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

_logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_RETRY_SECONDS = 0.05
_GOODBYE_SECONDS = 1.5
# Some servers take a connection, and end it as soon as they know what it is for.
_STEADY_SECONDS = 0.5
_NO_ANSWER = f"no answer for {TIMEOUT_SECONDS:g} s"


@dataclass(frozen=True, slots=True)
class _Protocol:
    """How a kind of address is spoken.

    Attributes:
        muxer: FFmpeg's name of what goes over the wire.
        options: Of FFmpeg's protocol and muxer.
    """

    muxer: str
    options: Mapping[str, str] = field(default_factory=dict)


_MPEGTS = {"flush_packets": "1"}
_FLV = {"flvflags": "no_duration_filesize", "flush_packets": "1"}
PROTOCOLS: Mapping[str, _Protocol] = {
    # Over UDP, images are torn wherever a packet is lost.
    "rtsp": _Protocol("rtsp", {"rtsp_transport": "tcp", "flush_packets": "1"}),
    "rtsps": _Protocol("rtsp", {"rtsp_transport": "tcp", "flush_packets": "1"}),
    "rtmp": _Protocol("flv", _FLV),
    "rtmps": _Protocol("flv", _FLV),
    "srt": _Protocol("mpegts", _MPEGTS),
    "tcp": _Protocol("mpegts", _MPEGTS),
    "udp": _Protocol("mpegts", {**_MPEGTS, "pkt_size": "1316"}),
}
"""Addresses that the picture can be sent to."""


class PushSink(Sink):
    """Sends what is shown to one server, as H.264 without delay. Never slows the session.

    Everything that may wait, connecting, encoding and sending, is in a process of its own, which
    is given the newest frame each time. A server that cannot be reached or goes is tried again for
    as long as the session lasts, at first after 0.1 s, later every 0.3 s.

    Args:
        address: With one of `PROTOCOLS`; a password in it appears in no message.
        on_notice: Told when the server is lost, and when it is back.

    Raises:
        SinkError: From `write`, where this build of FFmpeg cannot speak to such servers at all.
    """

    def __init__(
        self,
        address: str,
        *,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        known = parse_address(address)
        self._typed, self._url, self._name = address, known.url, known.name
        self._protocol = PROTOCOLS[known.scheme]
        self._on_notice = on_notice
        self._frames: Newest[tuple[Image, float]] = Newest()
        self._closing = threading.Event()
        self._sent = 0
        self._process: PushProcess | None = None
        self._connected = self._hopeless = False
        self._steady_since: float | None = None
        self._cause = ""
        self._thread = threading.Thread(target=self._run, name="air-push", daemon=True)
        self._thread.start()

    @property
    def receivers(self) -> int:
        """1 while the server takes the picture, else 0."""
        return int(self._connected)

    @property
    def banner(self) -> str:
        """A sentence while the server cannot be reached; else empty."""
        return f"{self._name}: {self._cause}, trying again" if self._cause else ""

    @property
    def sent(self) -> int:
        """Number of frames sent so far."""
        return self._sent

    @property
    @override
    def on_air(self) -> str:
        if self._connected:
            return f"on air to {self._name}"
        return self.banner or f"connecting to {self._name}"

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        assert rendered is not None, "it needs the rendered image"
        if self._hopeless:
            step = f"Use one of {', '.join(sorted(PROTOCOLS))}"
            raise SinkError("cannot send the picture", self._name, self._cause, step)
        if self._process is not None:
            self._process.end_if_stuck()
        self._frames.put((rendered.copy(), time.monotonic()))

    @override
    def close(self) -> None:
        self._closing.set()
        self._frames.end()
        self._thread.join(_GOODBYE_SECONDS)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()  # it waits for a server that takes nothing
            self._thread.join()

    @property
    @override
    def description(self) -> str:
        return f"{self._name} ({self._sent} frames sent)"

    def _run(self) -> None:
        process: PushProcess | None = None
        number = 0
        try:
            while not (self._closing.is_set() or self._hopeless):
                if process is None:
                    process = self._process = self._start()
                found = self._frames.after(number, _POLL_SECONDS)
                if found is None:
                    continue
                number, (image, captured) = found
                try:
                    process.send(_planes(image), captured)
                except OSError:
                    cause = _NO_ANSWER if process.was_stuck else "what sends it has ended"
                    process.close()  # whose last words may say more
                    process = None
                    if not self._hopeless:
                        self._lose(cause)
                if self._cause and not self._closing.wait(_RETRY_SECONDS):
                    number = 0  # a picture that stands still is sent, too, once it can be
        finally:
            if process is not None:
                process.close()

    def _start(self) -> PushProcess:
        protocol = self._protocol
        return PushProcess(self._url, protocol.muxer, protocol.options, self._hear)

    def _hear(self, kind: str, cause: str) -> None:
        """Note what the process says, in a thread of its own."""
        if kind == "sent":
            self._sent += 1
            self._connected = True
            now = time.monotonic()
            self._steady_since = now if self._steady_since is None else self._steady_since
            if self._cause and now - self._steady_since >= _STEADY_SECONDS:
                self._cause = ""
                self._tell(f"{self._name}: connected again, the picture is sent")
        elif kind == "lost":
            self._lose(cause)
        elif kind == "hopeless":
            self._cause, self._hopeless = cause, True

    def _lose(self, cause: str) -> None:
        first = not self._cause
        self._connected = False
        self._steady_since = None
        self._cause = hide_secrets(cause, [self._typed, self._url])
        if first and not self._closing.is_set():
            self._tell(self.banner)
        _logger.info("%s: %s", self._name, self._cause)

    def _tell(self, sentence: str) -> None:
        if self._on_notice is not None:
            self._on_notice(sentence)


def can_send(spec: str) -> bool:
    """Return whether an output is an address that the picture can be sent to."""
    return scheme_of(spec) in PROTOCOLS


def _even(image: Image) -> Image:
    """Return an image with even sides, its last row and column repeated where needed."""
    height, width = image.shape[:2]
    if not (height % 2 or width % 2):
        return image
    grown: Image = cv2.copyMakeBorder(  # type: ignore[assignment]
        image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    )
    return grown


def _planes(image: Image) -> Image:
    """Convert to 4:2:0 in limited range (BT.601), three times faster than swscale does."""
    return np.asarray(cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420), np.uint8)
