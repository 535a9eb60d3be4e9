"""Network streams from real servers on loopback that drop, stall, go silent and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from live_gradcam.capture import stream
from live_gradcam.capture.open import open_source
from live_gradcam.capture.stream import StreamSource
from live_gradcam.credentials import printable
from live_gradcam.errors import SourceError
from live_gradcam.values import Frame
from scripts.faults.media import write_film
from scripts.faults.servers import LoopbackServer, MjpegServer, RtspServer, numbered_image
from tests.helpers.cameras import PATIENCE

SERVERS = pytest.mark.parametrize("server_type", [MjpegServer, RtspServer])


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the first image may need several attempts where the timeout is short."""
    monkeypatch.setattr(stream, "_FIRST_IMAGE_SECONDS", PATIENCE)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something to happen."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() < begin + PATIENCE, "it never happened"
        time.sleep(0.005)


def fresh_frame(source: StreamSource) -> Frame:
    """A frame that came after this call."""
    now = time.monotonic()
    while True:
        frame = source.newest(PATIENCE)
        assert frame is not None
        assert frame.captured_seconds is not None
        if frame.captured_seconds > now:
            return frame


@SERVERS
def test_images_arrive_as_sent(server_type: type[LoopbackServer]) -> None:
    with server_type() as server, StreamSource(server.address) as source:
        info = source.info
        assert (info.kind, info.live, info.width, info.height) == ("stream", True, 160, 120)
        assert info.name == server.address
        sent = [numbered_image(number).astype(int) for number in range(50)]
        frames = [frame for frame, _ in zip(source, range(12), strict=False)]
        assert [frame.index for frame in frames] == list(range(12))
        places = []
        for frame in frames:
            differences = [abs(frame.image - image).mean() for image in sent]
            assert min(differences) < 6
            places.append(differences.index(min(differences)))
        assert len(set(places)) > 1
        wait_until(lambda: (source.state, source.banner) == ("running", ""))


@SERVERS
def test_a_slow_consumer_gets_the_newest_image(server_type: type[LoopbackServer]) -> None:
    with server_type() as server, StreamSource(server.address) as source:
        assert source.newest(PATIENCE) is not None
        wait_until(lambda: source.dropped >= 4)
        now = time.monotonic()
        before = source.dropped
        # The first of the two may have been captured before this moment, the second was not.
        wait_until(lambda: source.dropped >= before + 2)
        frame = source.newest(0)
        assert frame is not None
        assert frame.captured_seconds is not None
        assert frame.captured_seconds > now
        assert frame.index == 1


@SERVERS
def test_after_a_drop_the_image_is_back(server_type: type[LoopbackServer]) -> None:
    process = pytest.importorskip("psutil").Process()
    with server_type() as server, StreamSource(server.address, timeout_seconds=2) as source:
        fresh_frame(source)
        handles, threads = process.num_fds(), threading.active_count()
        for number in range(6):
            if number % 2:
                server.vanish()
                wait_until(lambda: source.state == "reconnecting")
                assert "reconnecting" in source.banner
                server.listen()
            else:
                server.drop()
            fresh_frame(source)
            wait_until(lambda: source.state == "running")
        wait_until(lambda: process.num_fds() <= handles + 1)
        wait_until(lambda: threading.active_count() <= threads + 1)


@SERVERS
def test_a_stall_is_noticed(server_type: type[LoopbackServer]) -> None:
    with server_type() as server, StreamSource(server.address, timeout_seconds=0.6) as source:
        fresh_frame(source)
        server.stall()
        wait_until(lambda: bool(source.banner))
        server.resume()
        fresh_frame(source)


@SERVERS
def test_a_server_that_goes_silent_and_speaks_again(server_type: type[LoopbackServer]) -> None:
    with server_type() as server, StreamSource(server.address, timeout_seconds=0.5) as source:
        fresh_frame(source)
        server.go_silent()
        wait_until(lambda: source.state == "reconnecting")
        # The reader comes, hears nothing, and comes again.
        before = server.connections
        wait_until(lambda: server.connections >= before + 2)
        server.speak()
        fresh_frame(source)
        assert server.connections >= 3


@SERVERS
def test_giving_up_after_an_outage_is_an_error(server_type: type[LoopbackServer]) -> None:
    later = threading.Event()

    def clock() -> float:
        return time.monotonic() + (PATIENCE if later.is_set() else 0)

    with (
        server_type() as server,
        StreamSource(server.address, max_outage_seconds=PATIENCE, clock=clock) as source,
    ):
        assert source.newest(PATIENCE) is not None
        server.vanish()
        wait_until(lambda: source.state == "reconnecting")
        later.set()
        with pytest.raises(SourceError) as caught:
            list(source)
        assert caught.value.exit_code == 3
        assert server.address in str(caught.value)
        assert source.state == "ended"


@SERVERS
def test_close_while_a_connection_hangs(server_type: type[LoopbackServer]) -> None:
    with server_type() as server:
        source = StreamSource(server.address, timeout_seconds=1.5).open()
        fresh_frame(source)
        server.stall()
        source.close()
        assert source.state == "ended"
        assert list(source) == []
        # The reader that was left to itself is gone soon.
        wait_until(lambda: not any("reader of" in thread.name for thread in threading.enumerate()))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_opening_can_be_interrupted_while_the_server_is_silent() -> None:
    code = (
        "import sys\n"
        "from live_gradcam.capture.open import open_source\n"
        "try: open_source(sys.argv[1])\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with MjpegServer() as server:
        server.go_silent()
        with subprocess.Popen(
            [sys.executable, "-c", code, server.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            wait_until(lambda: server.connections > 0)
            process.send_signal(signal.SIGINT)
            # The reader thread still hangs in its connection while the program ends.
            out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def test_nobody_there_is_an_error() -> None:
    with MjpegServer() as server:
        server.vanish()
        with pytest.raises(SourceError) as caught:
            StreamSource(server.address, max_outage_seconds=0.6).open()
    assert caught.value.exit_code == 3
    assert "refused" in str(caught.value)
    assert "server" in caught.value.next_step


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (response("404 Not Found"), "404|not found"),
        (response("401 Unauthorized"), "401|authoriz"),
        (response("200 OK", b"<html>Log in</html>" * 50), "not a video|no picture"),
    ],
)
def test_a_server_that_says_no_is_believed_at_once(reply: bytes, says: str) -> None:
    with MjpegServer(reply=reply) as server, pytest.raises(SourceError, match=says):
        StreamSource(server.address, timeout_seconds=PATIENCE).open()
    assert server.connections == 1


def test_no_server_can_send_a_reader_to_a_file_or_another_protocol(tmp_path: Path) -> None:
    secret = write_film(tmp_path / "secret.mp4")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n".encode()
    concat = f"ffconcat version 1.0\nfile '{secret}'\n".encode()
    replies = [
        response("302 Found", b"", f"Location: file://{secret}"),
        response("302 Found", b"", f"Location: {secret}"),
        response("302 Found", b"", f"Location: concat:{secret}"),
        response("200 OK", playlist, "Content-Type: application/vnd.apple.mpegurl"),
        response("200 OK", playlist.replace(b"\n/", b"\nfile:///")),
        response("200 OK", concat),
    ]
    for reply in replies:
        with MjpegServer(reply=reply) as server, pytest.raises(SourceError):
            StreamSource(server.address, max_outage_seconds=0.2, timeout_seconds=1).open()


def test_a_redirect_to_another_server_is_followed() -> None:
    with MjpegServer() as target:
        reply = response("302 Found", b"", f"Location: {target.address}")
        with MjpegServer(reply=reply) as server, StreamSource(server.address) as source:
            assert fresh_frame(source).image.shape == (120, 160, 3)


def test_another_size_is_letterboxed_to_the_first() -> None:
    with MjpegServer() as server, StreamSource(server.address) as source:
        fresh_frame(source)
        server.size = (120, 160)
        wait_until(lambda: bool(source.notes))
        frame = fresh_frame(source)
        assert frame.image.shape == (120, 160, 3)
        assert frame.image[:, :30].max() == 0
        assert "letterboxed" in source.notes[0]
        assert len(source.notes) == 1


def test_passwords_appear_in_no_message() -> None:
    address = "rtsp://user:secret@127.0.0.1:1/path?token=hidden"
    assert printable(address) == "rtsp://127.0.0.1:1/path"
    with pytest.raises(SourceError) as caught:
        open_source(address, max_outage_seconds=0.1)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_script_that_closes_nothing_leaves_no_reader_in_native_code() -> None:
    """The interpreter aborts a process whose thread returns from a native library too late."""
    script = """
import atexit, sys, threading
from live_gradcam.capture import live
from live_gradcam.capture.stream import StreamSource

def readers():
    return [each.name for each in threading.enumerate() if each.name.startswith("reader of")]

live._CLOSE_SECONDS = 60.0  # a reader that does not hang ends; how soon is the machine's
atexit.register(lambda: print(readers()))  # registered first, so called last
source = StreamSource(sys.argv[1]).open()
print(len(readers()))
"""
    with MjpegServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", script, server.address],
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout.split("\n")) == (0, ["1", "[]", ""]), done.stderr
