"""The live picture sent to a server: RTSP, RTMP, and MPEG-TS over UDP, TCP or SRT."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from typing_extensions import override

from live_gradcam.air.newest import Newest
from live_gradcam.capture.live import Backoff
from live_gradcam.credentials import hide_secrets, parse_address, scheme_of
from live_gradcam.errors import SinkError
from live_gradcam.native import av, cv2
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

_logger = logging.getLogger(__name__)

_TICKS = 90_000  # a second, as RTP (RFC 6184) and MPEG-TS count it
_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.25
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 0.8
_CLOSE_SECONDS = 2.0
_KEY_FRAME_EVERY = 30
# Nothing is held back in the encoder, and a receiver that comes late waits a second for an image.
_ENCODER = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": "23",
    "maxrate": "6M",
    "bufsize": "2M",
    "forced-idr": "1",
}


@dataclass(frozen=True, slots=True)
class _Protocol:
    """How a kind of address is spoken.

    Attributes:
        muxer: FFmpeg's name of what goes over the wire.
        options: Of FFmpeg's protocol and muxer.
    """

    muxer: str
    options: Mapping[str, str] = field(default_factory=dict)


# With the length of each image, a receiver need not wait for the next one to know its end.
_MPEGTS = {"flush_packets": "1", "omit_video_pes_length": "0"}
PROTOCOLS: Mapping[str, _Protocol] = {
    # Over UDP, images are torn wherever a packet is lost.
    "rtsp": _Protocol("rtsp", {"rtsp_transport": "tcp", "flush_packets": "1"}),
    "rtsps": _Protocol("rtsp", {"rtsp_transport": "tcp", "flush_packets": "1"}),
    "rtmp": _Protocol("flv", {"flvflags": "no_duration_filesize", "flush_packets": "1"}),
    "rtmps": _Protocol("flv", {"flvflags": "no_duration_filesize", "flush_packets": "1"}),
    "srt": _Protocol("mpegts", _MPEGTS),
    "tcp": _Protocol("mpegts", _MPEGTS),
    "udp": _Protocol("mpegts", {**_MPEGTS, "pkt_size": "1316"}),
}
"""Addresses that the picture can be sent to."""


class PushSink(Sink):
    """Sends what is shown to one server, as H.264 without delay. Never slows the session.

    Everything that may wait, connecting, encoding and sending, is in a thread of its own, which
    takes the newest frame each time. A server that cannot be reached or goes is tried again for as
    long as the session lasts, at first after 0.2 s, later every 0.8 s.

    Args:
        address: With one of `PROTOCOLS`; a password in it appears in no message.
        on_notice: Told when the server is lost, and when it is back.
        clock: Monotonic seconds.

    Raises:
        SinkError: From `write`, where this build of FFmpeg cannot speak to such servers at all.
    """

    def __init__(
        self,
        address: str,
        *,
        on_notice: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        known = parse_address(address)
        self._typed, self._url, self._name = address, known.url, known.name
        self._protocol = PROTOCOLS[known.scheme]
        self._on_notice = on_notice
        self._clock = clock
        self._frames: Newest[tuple[Image, float]] = Newest()
        self._closing = threading.Event()
        self._sent = 0
        self._connected = self._hopeless = False
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
        self._frames.put((rendered.copy(), self._clock()))

    @override
    def close(self) -> None:
        self._closing.set()
        self._frames.end()
        self._thread.join(_CLOSE_SECONDS)  # one that hangs in a socket ends with its timeout

    @property
    @override
    def description(self) -> str:
        return f"{self._name} ({self._sent} frames sent)"

    def _run(self) -> None:
        backoff = Backoff(
            Random(), first_seconds=_FIRST_RETRY_SECONDS, largest_seconds=_LAST_RETRY_SECONDS
        )
        found: tuple[int, tuple[Image, float]] | None = None
        while found is None and not self._closing.is_set():
            found = self._frames.after(0, _POLL_SECONDS)
        while found is not None and not self._closing.is_set():
            number, (image, _) = found
            try:
                self._send_from(number - 1, image.shape[1::-1], backoff)
            except av.error.ProtocolNotFoundError:
                self._cause = "this FFmpeg does not speak its protocol"
                self._hopeless = True
                return
            except (av.error.FFmpegError, OSError, ValueError) as exc:
                self._lose(exc)
                self._closing.wait(backoff.next_seconds())
            found = self._frames.after(0, _POLL_SECONDS) or found

    def _send_from(self, number: int, size: tuple[int, int], backoff: Backoff) -> None:
        """Connect, and send frames of one size until there are none or the server goes."""
        container = av.open(
            self._url,
            "w",
            format=self._protocol.muxer,
            options=dict(self._protocol.options),
            timeout=(_TIMEOUT_SECONDS, _TIMEOUT_SECONDS),
        )
        try:
            stream: Any = container.add_stream("libx264", rate=30, options=_ENCODER)
            # H.264 with 4:2:0 has even sides.
            stream.width, stream.height = (side + side % 2 for side in size)
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
            stream.gop_size = _KEY_FRAME_EVERY
            container.start_encoding()
            begin, last = self._clock(), -1
            while not self._closing.is_set():
                found = self._frames.after(number, _POLL_SECONDS)
                if found is None:
                    continue
                number, (image, captured) = found
                if image.shape[1::-1] != size:
                    return  # another connection, for the other size
                # BT.601 in limited range, three times faster than swscale.
                planes = np.asarray(cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420), np.uint8)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                last = max(last + 1, round((captured - begin) * _TICKS))
                frame.pts, frame.time_base = last, Fraction(1, _TICKS)
                for packet in stream.encode(frame):
                    container.mux(packet)
                self._sent += 1
                self._find(backoff)
        finally:
            self._connected = False
            with contextlib.suppress(Exception):  # it says goodbye to a server that may be gone
                container.close()

    def _find(self, backoff: Backoff) -> None:
        """Note that a frame has gone out."""
        self._connected = True
        if self._cause:
            self._cause = ""
            self._tell(f"{self._name}: connected again, the picture is sent")
        backoff.reset()

    def _lose(self, exc: Exception) -> None:
        first = not self._cause
        self._cause = hide_secrets(_in_words(exc), [self._typed, self._url])
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


def _in_words(exc: Exception) -> str:
    """Say why a server was lost."""
    if isinstance(exc, (av.error.ExitError, av.error.TimeoutError, TimeoutError)):
        return f"no answer for {_TIMEOUT_SECONDS:g} s"
    if isinstance(exc, av.error.HTTPUnauthorizedError):
        return "the server wants another name or password"
    return str(getattr(exc, "strerror", "") or exc).lower()
