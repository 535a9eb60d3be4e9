"""The live picture sent to servers: FFmpeg itself receives it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.air.push import PushSink, can_send
from live_gradcam.errors import SinkError
from live_gradcam.native import av
from live_gradcam.values import Explanation, Frame, Image

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")

PATIENCE_SECONDS = 60.0
WIDTH, HEIGHT = 65, 49  # odd, which H.264 has not


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """FFmpeg, that listens for one connection and writes grey frames as they come."""

    def __init__(self, *options: str) -> None:
        self.pictures: list[int] = []
        self.size = (WIDTH + 1, HEIGHT + 1)
        wanted = ("-an", "-f", "rawvideo", "-pix_fmt", "gray", "-flush_packets", "1", "-")
        low = (
            "-fflags",
            "nobuffer",
            "-flags",
            "low_delay",
            "-probesize",
            "32",
            "-analyzeduration",
            "0",
        )
        self.process = subprocess.Popen(
            ["ffmpeg", "-v", "error", *low, *options, *wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        count = self.size[0] * self.size[1]
        while len(data := self.process.stdout.read(count)) == count:
            self.pictures.append(int(np.median(np.frombuffer(data, np.uint8))))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Sending:
    """Writes frames at a camera's rate in a thread, each grey of its own."""

    def __init__(self, sink: PushSink, explanation: Explanation) -> None:
        self._sink, self._explanation = sink, explanation
        self._stop = threading.Event()
        self.grey = 60
        self.written = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(1 / 30):
            image: Image = np.full((HEIGHT, WIDTH, 3), self.grey, np.uint8)
            frame = Frame(image, number, number / 30, "camera 0", time.monotonic())
            self._sink.write(frame, image, self._explanation)
            number = self.written = number + 1

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def send(
    told: list[str], make_explanation: Callable[..., Explanation]
) -> Iterator[Callable[[str], tuple[PushSink, Sending]]]:
    with contextlib.ExitStack() as stack:

        def send(address: str) -> tuple[PushSink, Sending]:
            sink = stack.enter_context(PushSink(address, on_notice=told.append))
            sending = Sending(sink, make_explanation())
            stack.callback(sending.close)
            return sink, sending

        yield send


def speaks(scheme: str) -> bool:
    """Whether this build of FFmpeg knows the protocol; nobody answers it here."""
    try:
        with av.open(f"{scheme}://127.0.0.1:1", "w", format="mpegts", timeout=1.0) as container:
            container.add_stream("libx264", rate=30)
            container.start_encoding()
    except av.error.ProtocolNotFoundError:
        return False
    except OSError:
        return True
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def near(pictures: list[int], grey: int) -> bool:
    """Whether the last picture has that grey, but for what encoding costs."""
    return bool(pictures) and abs(pictures[-1] - grey) <= 3


LISTEN: dict[str, Callable[[int], tuple[str, ...]]] = {
    "rtsp": lambda port: ("-rtsp_flags", "listen", "-i", f"rtsp://127.0.0.1:{port}/live"),
    "rtmp": lambda port: ("-listen", "1", "-f", "flv", "-i", f"rtmp://127.0.0.1:{port}/live/a"),
    "udp": lambda port: ("-f", "mpegts", "-i", f"udp://127.0.0.1:{port}"),
    "tcp": lambda port: ("-f", "mpegts", "-i", f"tcp://127.0.0.1:{port}?listen=1"),
}
ADDRESS = {"rtsp": "/live", "rtmp": "/live/a", "udp": "", "tcp": ""}


@pytest.mark.parametrize("scheme", LISTEN)
def test_ffmpeg_receives_what_is_shown(
    scheme: str, send: Callable[[str], tuple[PushSink, Sending]]
) -> None:
    port = free_port()
    receiver = Receiver(*LISTEN[scheme](port))
    try:
        sink, sending = send(f"{scheme}://127.0.0.1:{port}{ADDRESS[scheme]}")
        wait_until(lambda: near(receiver.pictures, 60))
        sending.grey = 200
        wait_until(lambda: near(receiver.pictures, 200))
        assert (sink.receivers, sink.banner) == (1, "")
        assert sink.on_air == f"on air to {scheme}://127.0.0.1:{port}{ADDRESS[scheme]}"
    finally:
        receiver.kill()


def test_a_server_that_goes_is_found_again(
    send: Callable[[str], tuple[PushSink, Sending]], told: list[str]
) -> None:
    port = free_port()
    sink, _ = send(f"rtsp://127.0.0.1:{port}/live")
    wait_until(lambda: bool(sink.banner))
    assert sink.banner.startswith(f"rtsp://127.0.0.1:{port}/live: connection refused")
    assert (sink.receivers, sink.on_air) == (0, sink.banner)
    threads = threading.active_count()
    for _ in range(3):
        receiver = Receiver(*LISTEN["rtsp"](port))
        try:
            wait_until(lambda receiver=receiver: near(receiver.pictures, 60))  # type: ignore[misc]
            assert sink.receivers == 1
            wait_until(lambda: not sink.banner)
        finally:
            receiver.kill()
        wait_until(lambda: sink.receivers == 0)
    assert threading.active_count() <= threads
    assert len([each for each in told if "trying again" in each]) >= 3
    assert len([each for each in told if "connected again" in each]) >= 3


def test_a_server_that_says_nothing_holds_nobody_up(
    send: Callable[[str], tuple[PushSink, Sending]], told: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink, sending = send(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live")
        wait_until(lambda: sending.written > 30)  # while it is waited for
        assert (sink.receivers, sink.banner) == (0, "")
        wait_until(lambda: bool(sink.banner))
    assert len(told) == 1
    assert "no answer for 5 s, trying again" in told[0]


def test_a_password_is_in_no_sentence(
    send: Callable[[str], tuple[PushSink, Sending]], told: list[str]
) -> None:
    sink, _ = send(f"rtsp://ann:secret-word@127.0.0.1:{free_port()}/live")
    wait_until(lambda: bool(sink.banner))
    assert "secret-word" not in "".join((*told, sink.banner, sink.description))
    assert "connection refused" in sink.banner


def test_what_it_can_be_sent_to(tmp_path: Path) -> None:
    assert all(can_send(f"{scheme}://host/x") for scheme in ("rtsp", "rtmp", "srt", "udp", "tcp"))
    assert not any(map(can_send, ("http://:8090/", str(tmp_path / "out.mp4"), "-", "ftp://x/y")))


def test_what_this_ffmpeg_cannot_speak_is_an_error(
    make_explanation: Callable[..., Explanation],
) -> None:
    if speaks("srt"):
        pytest.skip("this build can")
    image: Image = np.zeros((48, 64, 3), np.uint8)
    with PushSink("srt://127.0.0.1:9") as sink:

        def refuses() -> bool:
            try:
                sink.write(Frame(image, 0, 0.0, "camera 0", 0.0), image, make_explanation())
            except SinkError as error:
                return "this FFmpeg does not speak its protocol" in str(error)
            return False

        wait_until(refuses)
