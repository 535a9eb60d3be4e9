"""The promises of what is sent on air, each measured by one function."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from live_gradcam.air.address import ServeAddress
from live_gradcam.air.http_sink import HttpSink
from live_gradcam.air.push import PushSink
from live_gradcam.bench.live import Promise
from live_gradcam.show.records import RecordSink
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Prediction, Region
from scripts.air.receivers import Receiver, ask, pictures, records
from scripts.air.session import LiveRun, Sample, handles
from scripts.air.time_code import draw_time

MJPEG_BAR_MS = 60.0
RTSP_BAR_MS = 250.0
RATE_BAR = 0.9
GROWTH_BAR = 1.03
BACK_BAR_SECONDS = 1.0
_HERE = ServeAddress("127.0.0.1", 0)
_STARTING_SECONDS = 2.0  # of a receiver; what it had by then does not count


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured with.

    Attributes:
        seconds: Length of a run.
        size: Width and height of the camera's images.
        fps: Of the camera.
        model: Name of the network.
        weights: Its file, or ``None``.
        receivers: How many watch.
        idle: How many of them read nothing.
        returns: How often a receiver is killed and comes back.
    """

    seconds: float = 20.0
    size: tuple[int, int] = (640, 480)
    fps: float = 30.0
    model: str = "scenes"
    weights: Path | None = None
    receivers: int = 20
    idle: int = 5
    returns: int = 100

    def live_run(self) -> LiveRun:
        """Prepare a session."""
        return LiveRun(self.size, self.fps, model=self.model, weights=self.weights)


def measure_mjpeg_latency(setting: Setting) -> Promise:
    """From the window to a receiver of MJPEG that decodes what it gets."""
    with ExitStack() as stack:
        sink = stack.enter_context(HttpSink(_HERE))
        receiver = stack.enter_context(Receiver("mjpeg", sink.address))
        return _latency(setting, "MJPEG", sink, receiver, MJPEG_BAR_MS)


def measure_push_latency(setting: Setting, scheme: str = "rtsp") -> Promise:
    """From the window to a server on loopback that decodes what it is sent.

    Args:
        setting: What is measured with.
        scheme: ``rtsp``, ``rtmp`` or ``tcp``.
    """
    address = _free_address(scheme)
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver("listen", address))
        receiver.wait_for(1)
        sink = stack.enter_context(PushSink(address))
        return _latency(setting, scheme.upper(), sink, receiver, RTSP_BAR_MS)


def _latency(setting: Setting, name: str, sink: Sink, receiver: Receiver, bar_ms: float) -> Promise:
    with setting.live_run() as live:
        rate = live.run(setting.seconds, [sink])
        shown = live.shown
    receiver.kill()
    had = [(code, seconds) for code, seconds in receiver.lines if isinstance(code, int)]
    unread = sum(code is None for code, _ in receiver.lines)
    begin = had[0][1] + _STARTING_SECONDS
    beyond = [1000.0 * (at - shown[code]) for code, at in had if code in shown and at > begin]
    later = sum(at > begin for at in shown.values())
    p50, p95, worst = (float(each) for each in np.percentile(beyond, [50, 95, 100]))
    width, height = setting.size
    return Promise(
        f"{name} over loopback, {width}x{height}: from the window to a receiver's decoded image",
        f"p95 at most {bar_ms:g} ms",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {worst:.0f} ms; {len(beyond)} of "
        f"{later} shown, {rate:.1f} FPS, {unread} not readable",
        p95 <= bar_ms and len(beyond) > later / 2,
        {"p50_ms": p50, "p95_ms": p95, "worst_ms": worst, "fps": rate, "unread": float(unread)},
    )


def measure_many_receivers(setting: Setting) -> Promise:
    """The window's rate with many receivers of MJPEG against its own, and the memory."""
    reading = setting.receivers - setting.idle
    with setting.live_run() as live:
        live.run(3.0)  # the first one is slower
        own = live.run(min(setting.seconds, 20.0))
        sink = HttpSink(_HERE)
        with (
            Receiver("drain", sink.address, reading),
            Receiver("idle", sink.address, setting.idle),
            Sample() as sample,
        ):
            watched = live.run(setting.seconds, [sink])
        own = max(own, live.run(min(setting.seconds, 20.0)))
    ratio = watched / own
    kept = ratio >= RATE_BAR and sample.growth <= GROWTH_BAR
    return Promise(
        f"{setting.receivers} receivers of MJPEG, {setting.idle} of which read nothing "
        f"({setting.model}, camera of {setting.fps:g} FPS)",
        f"the window's rate at least {RATE_BAR:g} of its own, memory at most {GROWTH_BAR:g} "
        f"over {setting.seconds / 60:g} min",
        f"{ratio:.2f} ({watched:.1f} of {own:.1f} FPS), memory {sample.growth:.3f} "
        f"({sample.mebibytes[-1]:.0f} MiB)",
        kept,
        {"ratio": ratio, "own_fps": own, "growth": sample.growth},
    )


def measure_returns(setting: Setting, kind: str) -> Promise:
    """Kill a receiver, let it come back, and see when it has a picture or record again.

    Args:
        setting: What is measured with.
        kind: ``mjpeg`` or ``events``, which ask; ``rtsp``, ``rtmp`` or ``tcp``, which listen.
    """
    back: list[float] = []
    held: list[tuple[int, int]] = []
    address = "" if kind in ("mjpeg", "events") else _free_address(kind)
    with ExitStack() as stack:
        sink = PushSink(address) if address else HttpSink(_HERE)
        stack.enter_context(sink)
        stack.enter_context(Feeding(sink, setting))
        for number in range(setting.returns):
            if isinstance(sink, HttpSink):
                back.append(_ask_once(sink.address, kind))
            else:
                back.append(_listen_once(address))
            deadline = time.monotonic() + 5.0
            while sink.receivers and time.monotonic() < deadline:
                time.sleep(0.005)  # it is noticed that it has gone
            if number >= setting.returns // 10:
                held.append((handles(), threading.active_count()))
    longest = max(back)
    grown = [last - first for first, last in zip(held[0], held[-1], strict=True)]
    flat = max(grown) <= 0
    return Promise(
        f"a receiver ({kind}) that is killed and comes back {setting.returns} times",
        f"a picture within {BACK_BAR_SECONDS:g} s, handles and threads flat",
        f"p50 {1000 * float(np.median(back)):.0f} ms, worst {1000 * longest:.0f} ms; "
        f"{grown[0]:+d} handles, {grown[1]:+d} threads",
        longest <= BACK_BAR_SECONDS and flat,
        {"longest_ms": 1000 * longest, "handles": float(grown[0]), "threads": float(grown[1])},
    )


def _ask_once(address: str, kind: str) -> float:
    """A receiver that asks, has something, and is cut off without a goodbye."""
    began = time.monotonic()
    with ask(address, "/stream.mjpg" if kind == "mjpeg" else "/events") as connection:
        next(iter(pictures(connection) if kind == "mjpeg" else records(connection)))
        took = time.monotonic() - began
        # As a process that is killed: what is under way is answered with a reset.
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    return took


def _listen_once(address: str) -> float:
    """A server that comes back, has a picture, and is killed."""
    with Receiver("listen", address) as receiver:
        receiver.wait_for(2)
        (_, listening), (_, seen) = receiver.lines[:2]
        return float(seen - listening)


class Feeding:
    """Writes a camera's frames into a sink in a thread, without a network. A context manager.

    Args:
        sink: Where they go.
        setting: Their size and rate.
    """

    def __init__(self, sink: Sink, setting: Setting) -> None:
        self._sink, self._setting = sink, setting
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeding")

    def __enter__(self) -> Feeding:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        width, height = self._setting.size
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        image[height // 8 :] = 90
        explanation = Explanation(
            predictions=(Prediction(0, "nothing", 1.0, 1.0),),
            explained=(0,),
            evidence=np.zeros((1, 7, 7), np.float32),
            region=Region(0, 0, width, height),
        )
        number = 0
        while not self._ended.wait(1.0 / self._setting.fps):
            now = time.monotonic()
            draw_time(image, now)
            frame = Frame(image, number, number / self._setting.fps, "camera 0", now)
            self._sink.write(frame, image, explanation)
            number += 1


def measure_events(setting: Setting) -> Promise:
    """Records as events against the file of the same session, line by line."""
    with TemporaryDirectory() as folder, HttpSink(_HERE) as sink, setting.live_run() as live:
        path = Path(folder) / "records.jsonl"
        with Receiver("events", sink.address) as receiver:
            live.run(setting.seconds, [RecordSink(path), sink])
            lines = path.read_text(encoding="utf-8").splitlines()
            received = [record for record, _ in receiver.lines]
            deadline = time.monotonic() + 10.0
            while len(received) < len(lines) and time.monotonic() < deadline:
                time.sleep(0.05)
                received = [record for record, _ in receiver.lines]
    equal = received == lines
    return Promise(
        "records over server-sent events and in the `.jsonl` of the same session",
        "equal",
        f"{len(received)} and {len(lines)} lines, {'equal' if equal else 'not equal'}",
        equal and bool(lines),
        {"received": float(len(received)), "written": float(len(lines))},
    )


def _free_address(scheme: str) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tail = {"rtsp": "/live", "rtmp": "/live/a", "tcp": ""}[scheme]
    return f"{scheme}://127.0.0.1:{port}{tail}"
