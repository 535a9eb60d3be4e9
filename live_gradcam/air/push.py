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
from live_gradcam.air.wire import Wire
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
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 0.3
_GOODBYE_SECONDS = 0.5
_CLOSE_SECONDS = 2.0
# A receiver that comes late waits that long for an image, however slow the session is.
_KEY_FRAME_SECONDS = 1.0
# Receivers that are quick lose the first images while they find out what is sent.
_FIRST_KEY_FRAME_SECONDS = 0.15
_FIRST_SECONDS = 2.0
_MOST_BETWEEN_KEY_FRAMES = 250
# Nothing is held back in the encoder.
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

    Everything that may wait, connecting, encoding and sending, is in a thread of its own, which
    takes the newest frame each time. A server that cannot be reached or goes is tried again for as
    long as the session lasts, at first after 0.1 s, later every 0.3 s.

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
        self._wire: Wire | None = None
        self._waits_since: float | None = None
        self._cut = False
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
        now, since = self._clock(), self._waits_since
        if since is not None and now - since > _TIMEOUT_SECONDS:
            self._cut_off()
        self._frames.put((rendered.copy(), now))

    @override
    def close(self) -> None:
        self._closing.set()
        self._frames.end()
        self._thread.join(_GOODBYE_SECONDS)
        if self._thread.is_alive():  # it waits for a server that takes nothing
            self._cut_off()
            self._thread.join(_CLOSE_SECONDS)

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
                self._lose(TimeoutError() if self._cut else exc)
                self._closing.wait(backoff.next_seconds())
            found = self._frames.after(0, _POLL_SECONDS) or found

    def _send_from(self, number: int, size: tuple[int, int], backoff: Backoff) -> None:
        """Connect, and send frames of one size until there are none or the server goes."""
        self._cut = False
        self._wire = wire = Wire(self._url)
        self._waits_since = self._clock()
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
            stream.gop_size = _MOST_BETWEEN_KEY_FRAMES
            container.start_encoding()
            self._waits_since = None
            wire.find()
            begin, last, key_due = self._clock(), -1, 0.0
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
                sent_for = self._clock() - begin
                if sent_for >= key_due:
                    frame.pict_type = av.video.frame.PictureType.I
                    young = sent_for < _FIRST_SECONDS
                    key_due = sent_for + (_FIRST_KEY_FRAME_SECONDS if young else _KEY_FRAME_SECONDS)
                packets = stream.encode(frame)
                self._waits_since = self._clock()
                for packet in packets:
                    container.mux(packet)
                self._waits_since = None
                self._sent += 1
                self._find(backoff)
        finally:
            self._connected = False
            self._waits_since = self._clock()
            with contextlib.suppress(Exception):  # it says goodbye to a server that may be gone
                container.close()
            self._waits_since = None
            wire.close()

    def _cut_off(self) -> None:
        """Let the thread wake up that waits for the server."""
        self._cut = True
        if self._wire is not None:
            self._wire.cut()

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
