"""Pictures from web servers: what is there, within limits, without a word about passwords."""

from __future__ import annotations

import base64
import http.server
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam.images import web
from live_gradcam.images.inputs import take_image
from live_gradcam.values import Image

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """A web server that answers every request in one way; its host and port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = False
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def sends(data: bytes, length: int | None = -1) -> Answer:
    """Answer with bytes; with another length than theirs, or none."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(HTTPStatus.OK)
        if length is not None:
            request.send_header("Content-Length", str(len(data) if length < 0 else length))
        request.end_headers()
        request.wfile.write(data)

    return answer


@pytest.fixture
def image(noise_image: Callable[..., Image]) -> Image:
    return noise_image(90, 60)


@pytest.fixture
def png(image: Image) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(image[..., ::-1]).save(file, "PNG")
    return file.getvalue()


def test_a_picture_is_fetched(image: Image, png: bytes) -> None:
    for length in (-1, None):
        with server(sends(png, length)) as host:
            taken = take_image(f"http://{host}/a%20picture?size=1")
        np.testing.assert_array_equal(taken.image, image)
        assert taken.picture.name == f"http://{host}/a%20picture"


def test_an_address_may_have_any_letters(image: Image, png: bytes) -> None:
    asked: list[str] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        sends(png)(request)

    with server(answer) as host:
        taken = take_image(f"http://{host}/schöne Tür/%C3%A4.png?größe=1#ü")
    np.testing.assert_array_equal(taken.image, image)
    assert asked == ["/sch%C3%B6ne%20T%C3%BCr/%C3%A4.png?gr%C3%B6%C3%9Fe=1"]
    assert taken.picture.name == f"http://{host}/schöne Tür/%C3%A4.png"


def test_a_password_goes_to_its_own_server_and_nowhere_else(png: bytes) -> None:
    seen: list[str | None] = []

    def other(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization"))
        sends(png)(request)

    with server(other) as second:

        def first(request: http.server.BaseHTTPRequestHandler) -> None:
            seen.append(request.headers.get("Authorization"))
            request.send_response(HTTPStatus.FOUND)
            request.send_header("Location", f"http://{second}/picture")
            request.end_headers()

        with server(first) as host:
            remembered = take_image(f"http://me:s3cret@{host}/picture").picture
    assert seen == ["Basic " + base64.b64encode(b"me:s3cret").decode(), None]
    assert "s3cret" not in remembered.name + remembered.path


def failure(answer: Answer, path: str = "/picture") -> str:
    """What is said about a server's answer to somebody with a password."""
    with server(answer) as host, pytest.raises(lg.SourceError) as caught:
        take_image(f"http://me:s3cret@{host}{path}?token=t0ken")
    said = str(caught.value)
    assert "s3cret" not in said
    assert "t0ken" not in said
    assert f"http://{host}/picture" in said
    return said


def test_what_goes_wrong_is_said_without_secrets(png: bytes) -> None:
    page = b"<!DOCTYPE html><title>Not found</title>" + bytes(600)
    assert "there is a web page, not a picture" in failure(sends(page))
    assert "there is a film" in failure(sends(b"RIFF\0\0\0\0AVI LIST" + bytes(600)))
    assert "what was sent is empty" in failure(sends(b""))
    assert "damaged" in failure(sends(png[:40] + bytes(200)))
    assert "404" in failure(lambda request: request.send_error(HTTPStatus.NOT_FOUND))
    assert "broke after" in failure(sends(png, len(png) + 10))


def test_a_server_that_sends_on_for_ever_is_left() -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(HTTPStatus.FOUND)
        request.send_header("Location", f"{request.path.partition('?')[0]}x")
        request.end_headers()

    assert "more than 5 times" in failure(answer)


@pytest.mark.parametrize("elsewhere", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_server_cannot_send_on_to_files(elsewhere: str) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(HTTPStatus.FOUND)
        request.send_header("Location", elsewhere)
        request.end_headers()

    assert "sends on to something that is no web server" in failure(answer)


def test_too_large_is_refused_whether_it_is_said_or_not(
    monkeypatch: pytest.MonkeyPatch, png: bytes
) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 8192)
    assert len(png) > 8192
    for length in (-1, None):
        assert "larger than" in failure(sends(png, length))


def test_too_slow_is_given_up(monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    monkeypatch.setattr(web, "MAX_SECONDS", 0.3)

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(HTTPStatus.OK)
        request.end_headers()
        for start in range(0, len(png), 256):
            request.wfile.write(png[start : start + 256])
            time.sleep(0.05)

    assert "took too long" in failure(answer)


def test_no_server_is_one_sentence() -> None:
    with server(sends(b"")) as host:
        gone = host
    with pytest.raises(lg.SourceError, match=f"http://{gone}/a.jpg: the server cannot be reached"):
        take_image(f"http://me:s3cret@{gone}/a.jpg")
