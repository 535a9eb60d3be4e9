"""The process that sends the picture to a server: `push.PushSink` starts it, and may end it.

While it connects, PyAV lets no other Python code run, and a server that says nothing would stop the
whole session. Here nothing else runs: a step that takes too long ends the process.

It reads, from its standard input, a line of JSON (``url``, ``muxer``, ``options``) and then images:
width, height and time, as `HEADER` has them, and the planes of 4:2:0. It writes a line of JSON for
each thing that happens: ``["ready"]``, ``["sent"]``, ``["lost", cause]``, ``["hopeless", cause]``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import numpy as np

from live_gradcam.capture.live import Backoff
from live_gradcam.native import av

HEADER = struct.Struct("<IId")
TIMEOUT_SECONDS = 5.0
"""A server that takes nothing for so long is lost."""

_TICKS = 90_000  # a second, as RTP (RFC 6184) and MPEG-TS count it
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 0.3
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
# What the system holds for a server that is slow is old when it arrives.
_SEND_BYTES = 1 << 17
_DESCRIPTORS = Path("/dev/fd")  # Linux and macOS


class _Sending:
    """A connection to the server, for images of one size."""

    def __init__(self, order: dict[str, Any], size: tuple[int, int]) -> None:
        self.size = size
        self._began, self._last, self._key_due = time.monotonic(), -1, 0.0
        with _in_time():
            self._container = av.open(
                order["url"], "w", format=order["muxer"], options=order["options"]
            )
            try:
                stream: Any = self._container.add_stream("libx264", rate=30, options=_ENCODER)
                stream.width, stream.height = size
                stream.pix_fmt = "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
                stream.gop_size = _MOST_BETWEEN_KEY_FRAMES
                self._stream = stream
                self._container.start_encoding()
            except BaseException:
                self.close()
                raise
        _hold_little_back()

    def send(self, data: bytes, captured_seconds: float) -> None:
        width, height = self.size
        planes = np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._last = max(self._last + 1, round((captured_seconds - self._began) * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        age = time.monotonic() - self._began
        if age >= self._key_due:
            frame.pict_type = av.video.frame.PictureType.I
            young = age < _FIRST_SECONDS
            self._key_due = age + (_FIRST_KEY_FRAME_SECONDS if young else _KEY_FRAME_SECONDS)
        packets = self._stream.encode(frame)
        with _in_time():
            for packet in packets:
                self._container.mux(packet)

    def close(self) -> None:
        # It says goodbye to a server that may be gone.
        with _in_time(), contextlib.suppress(Exception):
            self._container.close()


def main() -> None:
    """Send until there are no more images."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session ends this process
    images = sys.stdin.buffer
    order = json.loads(images.readline())
    _say("ready")
    backoff = Backoff(
        Random(), first_seconds=_FIRST_RETRY_SECONDS, largest_seconds=_LAST_RETRY_SECONDS
    )
    sending: _Sending | None = None
    due = 0.0
    while (found := _read_image(images)) is not None:
        size, captured_seconds, data = found
        if sending is None and time.monotonic() < due:
            continue
        try:
            if sending is not None and sending.size != size:
                sending.close()  # another connection, for the other size
                sending = None
            if sending is None:
                sending = _Sending(order, size)
            sending.send(data, captured_seconds)
        except av.error.ProtocolNotFoundError:
            _say("hopeless", "this FFmpeg does not speak its protocol")
            return
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            if sending is not None:
                sending.close()
            sending = None
            _say("lost", _in_words(exc))
            due = time.monotonic() + backoff.next_seconds()
        else:
            backoff.reset()
            _say("sent")
    if sending is not None:
        sending.close()


def _read_image(images: BinaryIO) -> tuple[tuple[int, int], float, bytes] | None:
    head = images.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    width, height, captured_seconds = HEADER.unpack(head)
    count = width * height * 3 // 2
    data = images.read(count)
    return None if len(data) < count else ((width, height), captured_seconds, data)


def _say(*said: str) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """End this process where a step takes too long: no Python code may run meanwhile."""
    if not hasattr(signal, "setitimer"):  # Windows: whoever started this process ends it
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _hold_little_back() -> None:
    """Let the system keep little of what is sent; FFmpeg has no option for it."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - names alone
            with contextlib.suppress(OSError, ValueError):
                if stat.S_ISSOCK(os.fstat(int(entry)).st_mode):
                    with socket.socket(fileno=os.dup(int(entry))) as found:
                        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)


def _in_words(exc: Exception) -> str:
    """Say why a server was lost."""
    if isinstance(exc, (av.error.ExitError, av.error.TimeoutError, TimeoutError)):
        return f"no answer for {TIMEOUT_SECONDS:g} s"
    if isinstance(exc, av.error.HTTPUnauthorizedError):
        return "the server wants another name or password"
    return str(getattr(exc, "strerror", "") or exc).lower()


if __name__ == "__main__":
    main()
