"""The live picture over HTTP: each receiver gets the newest, none slows the others."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from live_gradcam.air.address import ServeAddress, serve_address
from live_gradcam.air.http_sink import HttpSink
from live_gradcam.errors import UsageError
from live_gradcam.show.records import RecordSink
from live_gradcam.values import Explanation, Frame, Image, Region

PATIENCE_SECONDS = 60.0


def plain(value: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink(ServeAddress("127.0.0.1", 0)) as sink:
        yield sink


class Writing:
    """Writes frames into a sink, each grey of its own."""

    def __init__(self, sink: HttpSink, explanation: Explanation) -> None:
        self.sink, self.explanation, self.count = sink, explanation, 0

    def write(self, value: int | None = None, size: tuple[int, int] = (64, 48)) -> Frame:
        image = plain(self.count % 250 if value is None else value, *size)
        frame = Frame(image, self.count, self.count / 30, "camera 0", time.monotonic())
        self.count += 1
        self.sink.write(frame, image, self.explanation)
        return frame


@pytest.fixture
def writing(sink: HttpSink, make_explanation: Callable[..., Explanation]) -> Writing:
    return Writing(sink, make_explanation())


def ask(sink: HttpSink, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """Answers whose connections go on are closed by the caller."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(sink.address.rsplit(":", 1)[1].rstrip("/")), timeout=PATIENCE_SECONDS
    )
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return connection.getresponse()


def decoded(data: bytes) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def next_picture(stream: http.client.HTTPResponse) -> Image:
    size = 0
    while (line := stream.readline().strip()) or not size:
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    data = stream.read(size)
    stream.readline()
    return decoded(data)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_newest_picture_comes_as_it_was_shown(sink: HttpSink, writing: Writing) -> None:
    writing.write(40)
    with ask(sink, "/stream.mjpg") as stream:
        assert stream.getheader("Content-Type", "").startswith("multipart/x-mixed-replace")
        first = next_picture(stream)
        assert first.shape == (48, 64, 3)
        assert abs(first.astype(int) - 40).max() <= 2
        writing.write(200)
        assert abs(next_picture(stream).astype(int) - 200).max() <= 2
        assert sink.receivers == 1
        assert sink.on_air == f"on air at {sink.address}: 1 watching"
    with ask(sink, "/snapshot.jpg") as snapshot:
        assert snapshot.getheader("Content-Type") == "image/jpeg"
        image = decoded(snapshot.read())
    assert abs(image.astype(int) - 200).max() <= 2


def test_a_receiver_that_reads_nothing_holds_nobody_up(sink: HttpSink, writing: Writing) -> None:
    """Pictures of noise, so that what is not read is far more than any socket holds."""
    writing.write()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(ask(sink, "/stream.mjpg"))
        reading = stack.enter_context(ask(sink, "/stream.mjpg"))
        next_picture(reading)
        generator = np.random.default_rng(0)
        for number in range(60):
            image = generator.integers(0, 256, (240, 320, 3), np.uint8)
            frame = Frame(image, number, number / 30, "camera 0", 0.0)
            writing.sink.write(frame, image, writing.explanation)
        writing.write(7)
        while abs(next_picture(reading).astype(int) - 7).max() > 2:
            pass
        assert sink.receivers == 6
    wait_until(lambda: sink.receivers < 6)


def test_receivers_come_and_go_and_leave_nothing(sink: HttpSink, writing: Writing) -> None:
    writing.write()
    threads = threading.active_count()
    for _ in range(30):
        with ask(sink, "/stream.mjpg") as stream:
            next_picture(stream)
    wait_until(lambda: sink.receivers == 0 and threading.active_count() <= threads)


def test_events_are_the_records_of_the_same_session(
    sink: HttpSink, writing: Writing, tmp_path: Path
) -> None:
    with ask(sink, "/events") as events, RecordSink(tmp_path / "out.jsonl") as records:
        assert events.getheader("Content-Type", "").startswith("text/event-stream")
        for _ in range(200):
            frame = writing.write()
            records.write(frame, None, writing.explanation)
        received: list[str] = []
        numbers: list[int] = []
        while len(received) < 200:
            line = events.readline().decode().rstrip("\n")
            if line.startswith("data: "):
                received.append(line.removeprefix("data: "))
            elif line.startswith("id: "):
                numbers.append(int(line.removeprefix("id: ")))
    assert received == (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert numbers == list(range(1, 201))


def test_whoever_returns_gets_what_was_missed(sink: HttpSink, writing: Writing) -> None:
    for _ in range(5):
        writing.write()
    with ask(sink, "/events", Last_Event_ID="2") as events:
        lines = [events.readline().decode() for _ in range(9)]
    found = [json.loads(line[6:])["index"] for line in lines if line.startswith("data: ")]
    assert found == [2, 3, 4]


def test_the_end_of_the_session_ends_every_receiver(
    make_explanation: Callable[..., Explanation],
) -> None:
    sink = HttpSink(ServeAddress("127.0.0.1", 0))
    writing = Writing(sink, make_explanation())
    writing.write()
    stream, events = ask(sink, "/stream.mjpg"), ask(sink, "/events", Last_Event_ID="0")
    next_picture(stream)
    sink.close()
    sink.close()
    assert stream.read() == b"--live-gradcam\r\n", "browsers wait for it to show what was before"
    assert events.read().count(b"data: ") == 1, "the last record comes before the end"
    for each in (stream, events):
        each.close()
    assert "1 frames, 1 receivers at most" in sink.description
    with pytest.raises(ConnectionError):
        ask(sink, "/")


def test_a_picture_is_whole_before_the_next_one_comes(sink: HttpSink, writing: Writing) -> None:
    """Browsers show a picture when they have read the boundary that follows it."""
    writing.write(40)
    with ask(sink, "/stream.mjpg") as stream:
        assert stream.readline() == b"--live-gradcam\r\n"
        next_picture(stream)
        assert stream.readline() == b"--live-gradcam\r\n"


def test_after_a_pause_the_next_picture_and_record_come_at_once(
    sink: HttpSink, writing: Writing
) -> None:
    writing.write(40)
    with ask(sink, "/stream.mjpg") as stream, ask(sink, "/events") as events:
        next_picture(stream)
        time.sleep(0.8)  # nothing comes; they are asked whether they are still there
        began = time.monotonic()
        writing.write(200)
        next_picture(stream)
        events.readline()
        assert time.monotonic() - began < 5.0, "half of what a look with a timeout would take"


def test_a_receiver_that_is_slow_sees_what_is_new(sink: HttpSink, writing: Writing) -> None:
    """Not what has piled up: a few pictures of noise fill what the system holds."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 200, (480, 640, 3), np.uint8)
    writing.write(1)
    with ask(sink, "/stream.mjpg") as stream:
        next_picture(stream)
        for grey in range(100):
            noise[:48] = grey
            frame = Frame(noise, grey, grey / 30, "camera 0", 0.0)
            sink.write(frame, noise.copy(), writing.explanation)
            time.sleep(0.01)
        last, count = 0, 0
        while last < 97:
            last, count = int(np.median(next_picture(stream)[:40])), count + 1
    assert count < 60


def test_whoever_says_too_little_or_too_much_is_let_go(sink: HttpSink, writing: Writing) -> None:
    writing.write()
    port = int(sink.address.rsplit(":", 1)[1].rstrip("/"))
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
            for _ in range(50)
        ]
        for each in idle:
            each.sendall(b"GET / HT")
        large = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
        large.sendall(b"GET / HTTP/1.1\r\n" + 3 * (b"X-A: " + 60_000 * b"a" + b"\r\n"))
        assert b" 431 " in large.recv(1000).splitlines()[0] + b" "
        with ask(sink, "/snapshot.jpg") as snapshot:
            assert snapshot.status == 200
        assert idle[0].recv(1) == b"", "after some seconds"


def test_it_is_served_under_ipv6(make_explanation: Callable[..., Explanation]) -> None:
    try:
        sink = HttpSink(ServeAddress("::1", 0))
    except UsageError:
        pytest.skip("this machine has no IPv6")
    with sink:
        Writing(sink, make_explanation()).write()
        assert sink.address.startswith("http://[::1]:")
        with urllib.request.urlopen(sink.address + "snapshot.jpg", timeout=60) as answer:
            assert answer.status == 200


def test_the_page_shows_it_and_loads_nothing_else(sink: HttpSink) -> None:
    with ask(sink, "/") as page:
        text = page.read().decode()
        assert page.getheader("Content-Type") == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.getheader("Content-Security-Policy", "")
    assert 'src="stream.mjpg"' in text
    assert "http" not in text.replace("http-equiv", "")
    with ask(sink, "/page.js", method="HEAD") as script:
        assert (script.status, script.read()) == (200, b"")


@pytest.mark.parametrize("path", ["/../server.py", "/page.html", "/events/x", "//etc/passwd", "/x"])
def test_nothing_else_is_there(sink: HttpSink, path: str) -> None:
    with ask(sink, path) as answer:
        assert answer.status == 404


def test_another_name_for_this_address_is_refused(sink: HttpSink) -> None:
    for host, status in (("evil.example", 403), ("localhost:8090", 200), ("127.0.0.1", 200)):
        with ask(sink, "/", Host=host) as answer:
            assert answer.status == status, host


def test_only_pages_of_this_machine_may_follow_the_records(sink: HttpSink) -> None:
    for origin, allowed in (
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://evil.example", None),
        ("null", None),
    ):
        with ask(sink, "/", Origin=origin) as answer:
            assert answer.getheader("Access-Control-Allow-Origin") == allowed


def test_a_password_is_asked_for() -> None:
    with HttpSink(ServeAddress("127.0.0.1", 0), auth=("ann", "schlüssel:1")) as sink:
        with ask(sink, "/") as answer:
            assert answer.status == 401
            assert answer.getheader("WWW-Authenticate", "").startswith("Basic")
        for given, status in (("ann:schlüssel:1", 200), ("ann:schlüssel", 401), ("", 401)):
            code = "Basic " + base64.b64encode(given.encode()).decode()
            for path in ("/", "/page.js"):
                with ask(sink, path, Authorization=code) as answer:
                    assert answer.status == status, given
        assert "schlüssel" not in sink.description + sink.address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://:8090/", "127.0.0.1", 8090),
        ("http://:8090", "127.0.0.1", 8090),
        ("http://0.0.0.0:80/", "0.0.0.0", 80),
        ("http://[::1]:8090/", "::1", 8090),
        ("HTTP://localhost:0/", "localhost", 0),
    ],
)
def test_where_it_is_served(text: str, host: str, port: int) -> None:
    assert serve_address(text) == ServeAddress(host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http:///", "it has no port"),
        ("http://localhost/", "it has no port"),
        ("http://:99999/", "no number from 0 to 65535"),
        ("http://:8090/live", "from its root alone"),
        ("http://ann:secret@:8090/", "names and passwords do not belong into it"),
    ],
)
def test_what_is_no_such_address_is_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        serve_address(text)
    assert "secret" not in str(raised.value)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}/"):
            HttpSink(ServeAddress("127.0.0.1", port))


def test_all_in_the_network_are_warned_of_once_asked_for() -> None:
    told: list[str] = []
    for host, auth in (("0.0.0.0", None), ("0.0.0.0", ("ann", "pass")), ("127.0.0.1", None)):
        with HttpSink(ServeAddress(host, 0), auth=auth, on_notice=told.append):
            pass
    assert "everybody in the network can watch" in told[0]
    assert told[1].endswith("for all in the network who know the password")
    assert told[2].endswith("for this machine")


def test_several_parts_of_a_frame_are_one_picture_and_an_event_each(
    sink: HttpSink, make_explanation: Callable[..., Explanation]
) -> None:
    parts = [Region(0, 0, 20, 20), Region(30, 10, 20, 20)]
    explanations = [replace(make_explanation(), roi=part) for part in parts]
    with contextlib.closing(ask(sink, "/events")) as events:
        sink.write_parts(Frame(plain(1), 0, 0.0), plain(1), explanations, [None, {"a": 1}])
        found: list[dict[str, object]] = []
        while len(found) < 2:
            line = events.readline().decode()
            if line.startswith("data:"):
                found.append(json.loads(line.removeprefix("data:")))
    assert [each["roi"] for each in found] == [part.as_list() for part in parts]
    assert sink.description.startswith(f"{sink.address} (1 frames")
