"""Network streams: RTSP cameras, MJPEG and other video over HTTP, and raw transport streams."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

from live_gradcam.capture.conversion import FrameConverter, orientation_of
from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.capture.probe import make_probe
from live_gradcam.credentials import parse_address
from live_gradcam.images.geometry import square_width
from live_gradcam.images.pixels import MAX_PIXELS, turn
from live_gradcam.native import av
from live_gradcam.values import Image

_TIMEOUT_SECONDS = 5.0
_FIRST_IMAGE_SECONDS = 10.0
_STALL_MARGIN_SECONDS = 0.1

# What a server sends decides how it is read, but never that a file or a list of other addresses
# is opened; HLS is the one playlist that is a stream.
_FORMATS = (
    "mpjpeg,mjpeg,jpeg_pipe,mpegts,hls,rtsp,rtp,flv,live_flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "ogg,h264,hevc,mpeg,mpegvideo,nut,asf,avi,ivf"
)
_LOW_LATENCY = {
    "flags": "low_delay",
    # Counting frames to learn their rate would hold the first image back.
    "fpsprobesize": "0",
    "format_whitelist": _FORMATS,
    "max_pixels": str(MAX_PIXELS),
}
_HTTP = {
    "protocol_whitelist": "http,https,tls,tcp,crypto,httpproxy",
    "probesize": "100000",
    "analyzeduration": "300000",
}
_RTSP = {
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp,crypto",
    # Over UDP, images are torn wherever a packet is lost.
    "rtsp_transport": "tcp",
    "max_delay": "200000",
    "probesize": "500000",
    "analyzeduration": "100000",
}
_RTMP = {"protocol_whitelist": "rtmp,rtmps,rtmpt,tcp,tls,http", "analyzeduration": "500000"}
_UDP = {"protocol_whitelist": "udp,rtp", "overrun_nonfatal": "1", "analyzeduration": "1000000"}

SCHEMES: dict[str, dict[str, str]] = {
    "http": _HTTP,
    "https": _HTTP,
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": _RTMP,
    "rtmps": _RTMP,
    "tcp": {"protocol_whitelist": "tcp", "analyzeduration": "1000000"},
    "udp": _UDP,
}
"""Addresses that are streams, and FFmpeg's options for each: only network protocols are allowed, so
that no server can send a reader to a file of this machine."""


class StreamSource(LiveReader):
    """A network stream, read by one thread; the newest image wins.

    `open` tries for ten seconds (or ``max_outage_seconds``), unless the server says no. A stream
    that sends nothing for ``timeout_seconds`` counts as lost. See `LiveReader` for what happens in
    an outage.

    Args:
        address: With one of the `SCHEMES`; a password in it appears in no message, and need not
            be encoded.
        max_outage_seconds: Give up after an outage of that length; ``None`` never gives up.
        timeout_seconds: Silence, while connecting or between images, that counts as a loss.
        on_notice: Told each note when it arises.
        clock: Monotonic seconds.
        wait: Waits for that many seconds.
        random: For the jitter between attempts.
    """

    def __init__(
        self,
        address: str,
        *,
        max_outage_seconds: float | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        on_notice: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        random: Random | None = None,
    ) -> None:
        known = parse_address(address)
        address = known.url
        first = _FIRST_IMAGE_SECONDS if max_outage_seconds is None else max_outage_seconds
        options = {**_LOW_LATENCY, **SCHEMES[urlsplit(address).scheme.lower()]}
        super().__init__(
            name=known.name,
            kind="stream",
            connect=lambda: StreamConnection(address, options, timeout_seconds, clock),
            policy=LivePolicy(
                first_image_seconds=first,
                hang_seconds=2 * timeout_seconds,
                stall_seconds=timeout_seconds + _STALL_MARGIN_SECONDS,
                max_outage_seconds=max_outage_seconds,
            ),
            remedy=lambda: "Check the address, and that the server runs and can be reached",
            probe=make_probe(address),
            on_notice=on_notice,
            clock=clock,
            wait=wait,
            random=random,
        )


class StreamConnection:
    """A connection that FFmpeg reads; see `live_gradcam.capture.live.Connection`.

    Args:
        address: What FFmpeg opens.
        options: Of its protocol and demuxer.
        timeout_seconds: Silence that counts as a loss.
        clock: Monotonic seconds.
        format: FFmpeg's name of a kind of device; ``None`` where the content tells.

    Raises:
        ConnectionLost: It cannot be opened.
    """

    def __init__(
        self,
        address: str,
        options: Mapping[str, str],
        timeout_seconds: float,
        clock: Callable[[], float],
        *,
        format: str | None = None,
    ) -> None:
        self._timeout = timeout_seconds
        self._clock = clock
        self.warning = ""
        self._converter = FrameConverter()
        try:
            self._container = av.open(
                address,
                format=format,
                container_options=dict(options),
                options={"max_pixels": str(MAX_PIXELS)},
                timeout=(timeout_seconds, timeout_seconds),
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            raise _lost(exc, "connecting", timeout_seconds) from exc
        try:
            self._start()
        except BaseException:
            self._container.close()
            raise

    def read(self) -> Image | None:
        """Wait for the next image; ``None`` where what came could not be decoded."""
        began = self._clock()
        try:
            packet = next(self._packets, None)
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            raise _lost(exc, "waiting for a picture", self._timeout) from exc
        if self._clock() - began >= self._timeout:
            # Interrupted by the timeout, FFmpeg's parser hands out the frame that it still held.
            raise ConnectionLost(f"no picture for {self._timeout:g} s")
        if packet is None:
            raise ConnectionLost("the server ended the stream")
        image = self._decode(packet) if packet.stream_index == self._stream.index else None
        now = self._clock()
        if image is not None:
            self._last_image = now
        elif now - self._last_image > self._timeout:
            # Sound or garbage keeps coming, but nothing to see.
            raise ConnectionLost(f"no picture for {self._timeout:g} s")
        return image

    def close(self) -> None:
        """Let go of the server or device."""
        self._container.close()

    def _start(self) -> None:
        cover = av.stream.Disposition.attached_pic
        films = [film for film in self._container.streams.video if not film.disposition & cover]
        if not films or films[0].codec_context is None:
            raise ConnectionLost("it carries no picture that can be decoded", hopeless=True)
        self._stream = films[0]
        context = self._stream.codec_context
        # Threads that work on different frames would each hold one back.
        context.thread_type = "SLICE"
        context.thread_count = 2
        context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps: float | None = float(rate) if rate and 0 < rate <= 1000 else None
        self._packets: Iterator[av.Packet[Any]] = self._container.demux()
        self._last_image = self._clock()

    def _shown_width(self, frame: av.VideoFrame) -> int:
        aspect = self._stream.sample_aspect_ratio
        return square_width(frame.width, aspect) if aspect else frame.width

    def _decode(self, packet: av.Packet[Any]) -> Image | None:
        try:
            frames = packet.decode()
            if not frames or not 0 < frames[-1].width * frames[-1].height <= MAX_PIXELS:
                return None
            image = self._converter.to_bgr(frames[-1], self._shown_width(frames[-1]))
            return turn(image, orientation_of(frames[-1]))
        except (av.error.FFmpegError, ValueError, MemoryError):
            return None


def _lost(exc: Exception, doing: str, timeout_seconds: float) -> ConnectionLost:
    """Translate an error; a refusal by the server is not worth a second try."""
    if isinstance(exc, (av.error.ExitError, av.error.TimeoutError, TimeoutError)):
        return ConnectionLost(f"no answer for {timeout_seconds:g} s while {doing}")
    if isinstance(exc, av.error.HTTPClientError):
        return ConnectionLost(f"the server says: {exc.strerror}".lower(), hopeless=True)
    if isinstance(exc, av.error.InvalidDataError):
        return ConnectionLost("what the server sends is not a video", hopeless=True)
    if isinstance(exc, av.error.ProtocolNotFoundError):
        return ConnectionLost("this FFmpeg does not speak its protocol", hopeless=True)
    if isinstance(exc, av.error.EOFError):
        return ConnectionLost("the server ended the stream")
    if getattr(exc, "errno", None) == errno.EIO:
        return ConnectionLost("the connection was cut")
    return ConnectionLost(str(getattr(exc, "strerror", "") or exc).lower())
