"""Addresses with passwords: opened as people write them, and never shown."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import string
import threading
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings, strategies

from live_gradcam.capture.open import open_source
from live_gradcam.cli.main import run_command_line
from live_gradcam.credentials import (
    hide_secrets,
    is_address,
    parse_address,
    printable,
    scheme_of,
)
from live_gradcam.errors import SourceError

PASSWORDS = [
    "pa#ss",
    "pa/ss",
    "pa?ss",
    "pa[ss",
    "p@ss",
    "pa:ss",
    "pa%ss",
    "pa ss",
    "pä$s&=+",
    "123/4",
]


class _Guard:
    """A server that asks for user and password, notes them, and has nothing else."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.logins: list[str] = []
        self._thread = threading.Thread(target=self._serve, name="guard")
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                try:
                    while self._answer(connection):
                        pass
                except OSError:
                    continue

    def _answer(self, connection: socket.socket) -> bool:
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(4096)
            if not received:
                return False
            request += received
        text = request.decode("latin-1")
        sequence = re.search(r"CSeq: (\d+)", text)
        found = re.search(r"Authorization: Basic (\S+)", text)
        if found is not None:
            self.logins.append(base64.b64decode(found[1]).decode())
        status = "404 Not Found" if found is not None else "401 Unauthorized"
        lines = [f"{self._protocol} {status}", 'WWW-Authenticate: Basic realm="here"']
        if sequence is not None:
            lines.append(f"CSeq: {sequence[1]}")
        connection.sendall("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        return sequence is not None

    def close(self) -> None:
        # Closing alone does not wake a thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def guard(request: pytest.FixtureRequest) -> Iterator[_Guard]:
    server = _Guard(request.param)
    yield server
    server.close()


def _await_readers() -> None:
    """Wait for readers that were left behind: what they say belongs to the password before."""
    for thread in threading.enumerate():
        if thread.name.startswith("reader of"):
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("guard", ["RTSP/1.0"], indirect=True)
def test_a_camera_is_told_the_password_as_it_was_typed(guard: _Guard) -> None:
    for password in PASSWORDS:
        for slashes in ("//", "/"):
            guard.logins.clear()
            address = f"rtsp:{slashes}ad min:{password}@127.0.0.1:{guard.port}/cam?x=1"
            with pytest.raises(SourceError) as caught:
                open_source(address, max_outage_seconds=0.1)
            _await_readers()
            assert set(guard.logins) == {f"ad min:{password}"}
            assert password not in str(caught.value)


@pytest.mark.parametrize("guard", ["HTTP/1.1"], indirect=True)
def test_a_web_server_is_told_what_was_encoded_already(guard: _Guard) -> None:
    for typed in ("p%23s%40s", "p#s@s"):
        guard.logins.clear()
        with pytest.raises(SourceError):
            open_source(f"http://admin:{typed}@127.0.0.1:{guard.port}/a b", max_outage_seconds=0.1)
        _await_readers()
        assert set(guard.logins) == {"admin:p#s@s"}


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("rtsp://admin:pa[ss@host/cam", "rtsp://host/cam"),
        ("rtsp://u@mail.com:pw@host/cam", "rtsp://host/cam"),
        ("rtsp://token@host/cam", "rtsp://host/cam"),
        ("rtsp:/user:pw@host/cam", "rtsp://host/cam"),
        ("RTSP:user:pw@host:554", "rtsp://host:554"),
        ("ftp://user:pw@host/f", "ftp://host/f"),
        ("srt://host:9000?passphrase=secret", "srt://host:9000"),
        ("rtsp://h/user=admin_password=X_channel=1", "rtsp://h/***"),
        ("rtsp://h/cam;pass=X", "rtsp://h/cam;***"),
        ("http://h/cam.cgi?pwd=x&token=y", "http://h/cam.cgi"),
        ("http://h/user:pw/live", "http://h/***"),
        ("rtsp://user:pw@[::1]:8554/cam", "rtsp://[::1]:8554/cam"),
        ("rtsps//user:pw@host/cam", "rtsps//host/cam"),
        ("user:pw@host/cam", "host/cam"),
        ("http://192.0.2.1:8080/video", "http://192.0.2.1:8080/video"),
        ("photos/me@home.jpg", "photos/me@home.jpg"),
        ("C:/films/a:b@c.mp4", "C:/films/a:b@c.mp4"),
    ],
)
def test_only_what_is_public_is_shown(typed: str, shown: str) -> None:
    assert printable(typed) == shown
    assert "pw" not in hide_secrets(f"Connection refused: {typed!r}", [typed]).replace("pwd", "")


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:hunter22[x",
        "rtsp://admin:hunter22@",
        "rtsp://admin:hunter22@host:none/",
        "rtsp://admin:hunter22@host:99999/",
        "rtsp://admin:hunter22@[::1/cam",
        "ftp://admin:hunter22@host/film.mp4",
        "gopher:/admin:hunter22@host",
        "rtsp;//admin:hunter22@host/cam",
    ],
)
def test_a_malformed_address_is_one_line_without_its_password(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for extra in ([], ["--debug"]):
        assert run_command_line(["run", address, "-o", "-", *extra]) == 3
        said = capfd.readouterr().err
        assert "hunter22" not in said
        assert said.strip().splitlines()[-1].startswith("error: cannot open source")
        assert extra or said.count("\n") == 1


def test_a_traceback_has_no_password(capfd: pytest.CaptureFixture[str]) -> None:
    address = "rtsp://admin:hunt#er22@127.0.0.1:1/cam?token=abc123"
    arguments = ["run", address, "-o", "-", "--max-outage", "0.1", "--debug"]
    assert run_command_line(arguments) == 3
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert not re.search("hunt|er22|abc123", said)


_SECRETS = strategies.text(
    strategies.sampled_from(string.ascii_uppercase + "#/?@:%[]&;=+_ ~!"), min_size=8, max_size=14
).filter(lambda text: sum(char.isupper() for char in text) > 5)


@settings(max_examples=300, deadline=None)
@given(
    secret=_SECRETS,
    scheme=strategies.sampled_from(["rtsp://", "http://", "rtsp:/", "ftp://", "rtsp:", "foo://"]),
    form=strategies.sampled_from(
        ["{s}u:{p}@host/a", "{s}{p}@host:1/a", "{s}host/a?pwd={p}", "{s}host/a;pass={p}",
         "{s}host/user=a_password={p}_channel=1", "{s}u:{p}@host", "{s}host/a?key={p}&b=1"]
    ),
    encoded=strategies.booleans(),
)  # fmt: skip
def test_no_part_of_a_password_is_ever_shown(
    secret: str, scheme: str, form: str, *, encoded: bool
) -> None:
    typed = quote(secret, safe="") if encoded else secret
    shown = printable(form.format(s=scheme, p=typed))
    for start in range(len(secret) - 2):
        piece = secret[start : start + 3]
        assert not piece.isalpha() or piece not in shown


@given(strategies.text(max_size=40))
def test_any_text_is_an_address_a_file_or_an_error(text: str) -> None:
    printable(f"rtsp://{text}")
    assert is_address(f"rtsp://{text}")
    assert scheme_of(text) is None or is_address(text)
    with contextlib.suppress(SourceError):
        assert urlsplit(parse_address(f"rtsp://{text}").url).hostname


def test_what_is_well_formed_stays_what_it_is() -> None:
    for address in ("rtsp://u:p@host:554/a?b=c", "http://host/x.m3u8", "udp://:1234", "tcp://h:1"):
        assert parse_address(address).url == address


def test_other_letters_are_written_as_servers_are_asked() -> None:
    for typed, url in (
        ("http://bücher.example:81/ä?ö=%20", "http://xn--bcher-kva.example:81/%C3%A4?%C3%B6=%20"),
        ("rtsp://u:p@küche.example/tür", "rtsp://u:p@xn--kche-0ra.example/tür"),
    ):
        assert parse_address(typed).url == url
        assert parse_address(url).url == url
    for wrong in ("ä..example", "ä" * 80, "ä\N{FULLWIDTH SOLIDUS}b"):
        with pytest.raises(SourceError, match="its server is no name"):
            parse_address(f"http://{wrong}/x")
