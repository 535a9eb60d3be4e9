"""The folder on this machine: right types, the headers for threads, and nothing outside of it."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from live_gradcam.cli import run_command_line
from live_gradcam.errors import UsageError
from live_gradcam.site.server import serving_site, usual_ports

WASM = b"\0asm\1\0\0\0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret", encoding="utf-8")
    folder = outside / "site"
    (folder / "runtime").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>x</title>", encoding="utf-8")
    (folder / "site.json").write_text("{}", encoding="utf-8")
    (folder / ".git").write_text("hidden", encoding="utf-8")
    (folder / "runtime" / "a.wasm").write_bytes(WASM)
    (folder / "runtime" / "a.mjs").write_text("export {};", encoding="utf-8")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with serving_site(folder) as address:
        yield urlsplit(address).port or 0


def ask(
    port: int, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/index.html?x=1", "text/html"),
        ("/runtime/a.wasm", "application/wasm"),
        ("/runtime/a.mjs", "text/javascript"),
        ("/site.json", "application/json"),
    ],
)
def test_every_file_has_its_type_and_the_headers_for_threads(
    port: int, path: str, kind: str
) -> None:
    status, headers, _ = ask(port, path)
    assert status == 200
    assert headers["Content-Type"].partition(";")[0] == kind
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_what_did_not_change_is_not_sent_again(port: int) -> None:
    _, headers, content = ask(port, "/runtime/a.wasm")
    assert content == WASM
    status, _, again = ask(port, "/runtime/a.wasm", **{"If-None-Match": headers["ETag"]})
    assert (status, again) == (304, b"")


def test_a_head_has_no_body(port: int) -> None:
    status, headers, content = ask(port, "/runtime/a.wasm", method="HEAD")
    assert (status, headers["Content-Length"], content) == (200, str(len(WASM)), b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/runtime/../../secret.txt"),
        *("//secret.txt", "/.git", "/link.txt", "/runtime", "/runtime/", "/nothing", "/a%00b"),
        "/..%5csecret.txt",
    ],
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    status, _, content = ask(port, path)
    assert status == 404
    assert b"secret" not in content


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("attacker.example:8100", 403), ("attacker.example", 403), ("", 403)),
        *(("127.0.0.1:8100", 200), ("LOCALHOST:8100", 200), ("[::1]", 200)),
    ],
)
def test_a_foreign_name_for_this_address_is_refused(port: int, host: str, status: int) -> None:
    assert ask(port, "/", Host=host)[0] == status


def test_a_name_that_no_system_takes_is_not_found(port: int) -> None:
    assert ask(port, "/" + "a" * 5000)[0] == 404


def test_a_folder_has_an_address_of_its_own(folder: Path, tmp_path: Path) -> None:
    with serving_site(folder) as first, serving_site(folder) as beside:
        assert first.startswith("http://127.0.0.1:")
        assert first != beside
    own = usual_ports(folder)
    assert urlsplit(first).port in own
    assert own == usual_ports(folder / ".." / folder.name)
    assert len({usual_ports(tmp_path / f"{number}")[0] for number in range(20)}) > 15


def test_only_files_can_be_asked_for(port: int) -> None:
    status, _, _ = ask(port, "/", method="POST")
    assert status == 501


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"{number}.*--port"),
            serving_site(folder, port=number),
        ):
            pass


def test_a_folder_without_a_page_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, said in (
        (["site"], "neither site nor the present folder"),
        (["site", "nowhere"], "no such folder"),
        (["site", str(tmp_path)], "no index.html"),
    ):
        assert run_command_line([*arguments, "--no-open"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "live-gradcam export site/" in error


@pytest.mark.parametrize("named", [True, False])
def test_the_command_serves_until_it_is_ended(folder: Path, tmp_path: Path, named: bool) -> None:
    """It says its address to whoever started it, and leaves the port free."""
    if not named:
        (tmp_path / "site").symlink_to(folder)
    command = [sys.executable, "-m", "live_gradcam", "site", "--no-open"]
    command += [str(folder)] if named else []
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = urlsplit(said.split()[-1])
        status, _, content = ask(address.port or 0, "/")
        process.send_signal(signal.SIGINT if named else signal.SIGTERM)
        _, noted = process.communicate(timeout=60)
    assert (status, content) == (200, (folder / "index.html").read_bytes())
    assert process.returncode == (130 if named else 143)
    assert "Ctrl-C ends it" in noted
    assert "Traceback" not in noted
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", address.port))
