"""The records over WebSocket: the same lines as everywhere, and no slower for anybody."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from live_gradcam.air import websocket
from live_gradcam.air.address import ServeAddress
from live_gradcam.air.http_sink import HttpSink
from live_gradcam.air.origins import Origins, parse_origin
from live_gradcam.errors import UsageError
from live_gradcam.show.records import RecordSink
from live_gradcam.values import Explanation
from tests.air.test_http import PATIENCE_SECONDS, Writing, ask, wait_until


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink(ServeAddress("127.0.0.1", 0), origins=["https://slides.example"]) as sink:
        yield sink


@pytest.fixture
def writing(sink: HttpSink, make_explanation: Callable[..., Explanation]) -> Writing:
    return Writing(sink, make_explanation())


def follow(sink: HttpSink, **headers: str) -> ClientConnection:
    address = sink.address.replace("http://", "ws://") + "events"
    return connect(
        address,
        additional_headers=headers,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=0.2,
        proxy=None,
    )


def test_messages_are_the_records_of_the_same_session(
    sink: HttpSink, writing: Writing, tmp_path: Path
) -> None:
    with follow(sink) as client, RecordSink(tmp_path / "out.jsonl") as records:
        wait_until(lambda: sink.status["following"] == 1)
        for _ in range(50):
            records.write(writing.write(), None, writing.explanation)
        received = [client.recv(PATIENCE_SECONDS) for _ in range(50)]
        client.ping().wait(PATIENCE_SECONDS)
    assert received == (tmp_path / "out.jsonl").read_text().splitlines()
    wait_until(lambda: sink.status["following"] == 0)


def test_the_end_of_the_session_is_said(make_explanation: Callable[..., Explanation]) -> None:
    sink = HttpSink(ServeAddress("127.0.0.1", 0))
    with follow(sink) as client:
        wait_until(lambda: sink.status["following"] == 1)
        Writing(sink, make_explanation()).write()
        sink.close()
        assert '"index": 0' in str(client.recv(PATIENCE_SECONDS)), "the last one comes before it"
        with pytest.raises(ConnectionClosedOK, match="the session has ended"):
            client.recv(PATIENCE_SECONDS)


def test_a_follower_that_reads_nothing_holds_nobody_up(sink: HttpSink, writing: Writing) -> None:
    with follow(sink), follow(sink) as reading:
        wait_until(lambda: sink.status["following"] == 2)
        for _ in range(300):
            writing.write()
        received = [str(reading.recv(PATIENCE_SECONDS)) for _ in range(300)]
    assert '"index": 299' in received[-1]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://evil.example", False),
        ("null", False),
        ("file://", False),
        ("http://localhost.evil.example", False),
        ("https://slides.example:444", False),
        ("https://slides.example", True),
        ("http://localhost:8000", True),
    ],
)
def test_pages_of_others_read_nothing(
    sink: HttpSink, writing: Writing, origin: str, allowed: bool
) -> None:
    """Whichever way they ask: records as messages or events, pictures as pixels."""
    writing.write()
    for path in ("/events", "/stream.mjpg", "/snapshot.jpg", "/status.json", "/"):
        with ask(sink, path, Origin=origin) as answer:
            assert answer.status == (200 if allowed else 403), path
            assert answer.getheader("Access-Control-Allow-Origin") == (origin if allowed else None)
    if allowed:
        with follow(sink, Origin=origin):
            pass
    else:
        with pytest.raises(InvalidStatus, match="403"), follow(sink, Origin=origin):
            pass


def test_pictures_may_be_shown_by_pages_that_may_read_them(
    sink: HttpSink, writing: Writing
) -> None:
    writing.write()
    for page, policy in (
        ("http://localhost:8000/slides.html", "cross-origin"),
        ("https://slides.example/", "cross-origin"),
        ("https://evil.example/", "same-site"),
        ("", "same-site"),
    ):
        with ask(sink, "/snapshot.jpg", Referer=page) as answer:
            assert answer.status == 200
            assert answer.getheader("Cross-Origin-Resource-Policy") == policy, page


def test_a_page_is_its_own() -> None:
    origins = Origins()
    assert origins.allow("", "stand.local:8090")
    assert origins.allow("http://stand.local:8090", "stand.local:8090")
    assert not origins.allow("http://stand.local:8091", "stand.local:8090")
    assert not Origins().allow("http://[", "stand.local")
    assert Origins(["null"]).allow("null", "stand.local")


@pytest.mark.parametrize(
    "text",
    [
        "slides.example",
        "https://",
        "https://a.example/b",
        "*",
        "ftp://a",
        "https://ann:pw@a.example",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"Write https://slides\.example"):
        parse_origin(text)
    assert parse_origin("HTTPS://Slides.example:8443/") == "https://slides.example:8443"


def test_the_password_is_asked_for() -> None:
    with HttpSink(ServeAddress("127.0.0.1", 0), auth=("ann", "secret")) as sink:
        with pytest.raises(InvalidStatus, match="401"), follow(sink):
            pass
        code = "Basic " + base64.b64encode(b"ann:secret").decode()
        with follow(sink, Authorization=code):
            pass


def test_a_missing_package_is_named(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "load_protocol", lambda: None)
    with ask(sink, "/events", Upgrade="websocket", Connection="Upgrade") as answer:
        assert answer.status == 501
        assert b'pip install "live-gradcam[air]"' in answer.read()
