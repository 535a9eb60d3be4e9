"""Devices by FFmpeg's own names: capture cards, cameras with a choice of formats, test patterns."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.capture.stream import StreamConnection
from live_gradcam.native import av

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of device is asked for what is wanted of it.

    Attributes:
        size: Its option for ``WIDTHxHEIGHT``; empty where it has none.
        rate: Its option for frames per second; empty where it has none.
        format: Its option for the format of the images.
        prefix: Stands before the device's own name.
    """

    size: str = "video_size"
    rate: str = "framerate"
    format: str = ""
    prefix: str = ""


_KINDS: Mapping[str, _Kind] = {
    "avfoundation": _Kind(format="pixel_format"),
    "decklink": _Kind(size="", rate=""),
    "dshow": _Kind(format="vcodec", prefix="video="),
    "fbdev": _Kind(size=""),
    "gdigrab": _Kind(),
    "kmsgrab": _Kind(size=""),
    "lavfi": _Kind(size="", rate=""),
    "v4l2": _Kind(format="input_format"),
    "x11grab": _Kind(),
}
_SPEC = re.compile(rf"(?P<kind>{'|'.join(_KINDS)}):(?P<device>.+)", re.DOTALL)
# Images as they leave the sensor; dshow calls compressed ones a codec, these a format.
_RAW = re.compile(r"(yuyv|uyvy|yuv|nv|rgb|bgr|gray|bayer)", re.IGNORECASE)


def device_spec(text: str) -> tuple[str, str] | None:
    """Return kind and name of a device such as ``v4l2:/dev/video0``; ``None`` for anything else."""
    found = _SPEC.fullmatch(text)
    return None if found is None else (found["kind"], found["device"])


class DeviceSource(LiveReader):
    """A device that FFmpeg opens, read by one thread; the newest image wins.

    Args:
        kind: FFmpeg's name of the kind, such as ``v4l2`` or ``dshow``.
        device: The device's name for FFmpeg.
        width: Asked for, in pixels; needs ``height``.
        height: Asked for, in pixels.
        fps: Asked for.
        input_format: Of the images as they leave the device, such as ``mjpeg`` or ``yuyv422``.
        max_outage_seconds: Give up after an outage of that length; ``None`` never gives up.
        on_notice: Told each note when it arises.
        clock: Monotonic seconds.
        wait: Waits for that many seconds.
        random: For the jitter between attempts.
    """

    def __init__(
        self,
        kind: str,
        device: str,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        input_format: str | None = None,
        max_outage_seconds: float | None = None,
        on_notice: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        random: Random | None = None,
    ) -> None:
        options = _options(_KINDS[kind], width, height, fps, input_format)
        name = device
        if (prefix := _KINDS[kind].prefix) and not device.startswith(prefix):
            name = prefix + device

        def connect() -> StreamConnection:
            if not _is_known(kind):
                raise ConnectionLost("this build of FFmpeg has no such devices", hopeless=True)
            return StreamConnection(name, options, _TIMEOUT_SECONDS, clock, format=kind)

        super().__init__(
            name=f"{kind}:{device}",
            kind="camera",
            connect=connect,
            policy=LivePolicy(
                first_image_seconds=0.0,
                hang_seconds=2 * _TIMEOUT_SECONDS,
                stall_seconds=_TIMEOUT_SECONDS,
                max_outage_seconds=max_outage_seconds,
            ),
            remedy=lambda: "Check the device, and that it has what was asked of it",
            on_notice=on_notice,
            clock=clock,
            wait=wait,
            random=random,
        )


def _options(
    kind: _Kind,
    width: int | None,
    height: int | None,
    fps: float | None,
    input_format: str | None,
) -> dict[str, str]:
    options: dict[str, str] = {}
    if kind.size and width is not None and height is not None:
        options[kind.size] = f"{width}x{height}"
    if kind.rate and fps is not None:
        options[kind.rate] = f"{fps:g}"
    if kind.format and input_format is not None:
        raw = kind.format == "vcodec" and _RAW.match(input_format)
        options["pixel_format" if raw else kind.format] = input_format
    return options


def _is_known(kind: str) -> bool:
    return any(kind in each.split(",") for each in av.formats_available)
