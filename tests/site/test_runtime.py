"""onnxruntime-web comes from a cache, npm or the network, and is what was pinned, or is refused."""

from __future__ import annotations

import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from live_gradcam.errors import SinkError, SourceError
from live_gradcam.site import runtime
from live_gradcam.site.runtime import FILES, PACKAGE, Runtime, obtain_runtime
from tests.site.support import small_runtime

NOWHERE = "http://127.0.0.1:9/dist"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def host(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def pinned(web_runtime: Runtime) -> Path:
    """A folder with the pinned files."""
    return next(iter(web_runtime.files.values())).parent


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_the_network_brings_the_files_once(pinned: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with host(pinned) as address:
        fetched = obtain_runtime(cache=cache, npm=None, cdn=address)
    for name, path in fetched.files.items():
        assert path.read_bytes() == (pinned / name).read_bytes()
    assert sorted(path.name for path in cache.iterdir()) == sorted(FILES)
    again = obtain_runtime(cache=cache, npm=None, cdn=NOWHERE)
    assert again == fetched


def test_what_is_damaged_in_the_cache_is_fetched_again(pinned: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(pinned, cache)
    (cache / "ort.wasm.min.mjs").write_text("damaged", encoding="utf-8")
    with host(pinned) as address:
        obtain_runtime(cache=cache, npm=None, cdn=address)
    for name in FILES:
        assert (cache / name).read_bytes() == (pinned / name).read_bytes()


def test_other_files_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    small_runtime(tmp_path / "other")
    with (
        host(tmp_path / "other") as address,
        pytest.raises(SourceError, match="SHA-256") as caught,
    ):
        obtain_runtime(cache=tmp_path / "cache", npm=None, cdn=address)
    assert "\n" not in str(caught.value)
    assert not any((tmp_path / "cache" / name).exists() for name in FILES)


def test_without_a_network_there_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--runtime FOLDER") as caught:
        obtain_runtime(cache=tmp_path / "cache", npm=None, cdn=NOWHERE)
    assert "\n" not in str(caught.value)
    assert "cannot be reached" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def npm_client(folder: Path, script: str) -> str:
    """A program that is called as npm is."""
    client = folder / "npm"
    client.write_text(f"#!{sys.executable}\nimport shutil, sys\n{script}\n", encoding="utf-8")
    client.chmod(0o755)
    return str(client)


def package(folder: Path, files: Path, *, without: str = "") -> Path:
    """An archive as npm packs it."""
    archive = folder / "prepared.tgz"
    with tarfile.open(archive, "w:gz", compresslevel=0) as packed:
        for name in FILES:
            if name != without:
                packed.add(files / name, f"package/dist/{name}")
    return archive


def bring(archive: Path) -> str:
    return (
        f"assert sys.argv[1:3] == ['pack', {PACKAGE!r}] and sys.stdin.read() == ''\n"
        "folder = sys.argv[sys.argv.index('--pack-destination') + 1]\n"
        f"shutil.copy({str(archive)!r}, folder + '/onnxruntime-web.tgz')"
    )


def test_npm_brings_the_files_where_it_is_installed(pinned: Path, tmp_path: Path) -> None:
    client = npm_client(tmp_path, bring(package(tmp_path, pinned)))
    fetched = obtain_runtime(cache=tmp_path / "cache", npm=client, cdn=NOWHERE)
    for name, path in fetched.files.items():
        assert path.read_bytes() == (pinned / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.exit('npm error code E404\\nnpm error 404 Not Found - GET http://x\\n')", "404 Not"),
        ("sys.exit(1)", "npm: it could not bring the package;"),
    ],
)
def test_an_npm_client_that_fails_is_named_with_its_cause(
    tmp_path: Path, script: str, said: str
) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        obtain_runtime(cache=tmp_path / "cache", npm=npm_client(tmp_path, script), cdn=NOWHERE)
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    small_runtime(tmp_path / "other")
    for without, said in (("", "is not the pinned one"), ("ort.jspi.min.mjs", "cannot be read")):
        archive = package(tmp_path, tmp_path / "other", without=without)
        with pytest.raises(SourceError, match=said):
            obtain_runtime(
                cache=tmp_path / "cache", npm=npm_client(tmp_path, bring(archive)), cdn=NOWHERE
            )
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_no_missing_network(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(SinkError) as caught:
        obtain_runtime(cache=tmp_path / "cache", npm=None, cdn=NOWHERE)
    assert "network" not in str(caught.value)


@pytest.mark.parametrize("inside", ["", "dist", "package/dist"])
def test_a_folder_of_ones_own_is_taken(pinned: Path, tmp_path: Path, inside: str) -> None:
    place = tmp_path / "own" / inside
    place.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (place / name).symlink_to(pinned / name)
    notices: list[str] = []
    found = obtain_runtime(tmp_path / "own", on_notice=notices.append)
    assert (found.version, notices) == (runtime.VERSION, [])


def test_another_build_is_taken_with_a_word(tmp_path: Path) -> None:
    small_runtime(tmp_path / "own")
    notices: list[str] = []
    found = obtain_runtime(tmp_path / "own", on_notice=notices.append)
    assert found.version == "own"
    assert len(notices) == 1
    assert runtime.VERSION in notices[0]


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        obtain_runtime(tmp_path / "nowhere")
    small_runtime(tmp_path / "own")
    (tmp_path / "own" / "ort-wasm-simd-threaded.wasm").write_bytes(b"<html>")
    with pytest.raises(SourceError, match="damaged"):
        obtain_runtime(tmp_path / "own")
    (tmp_path / "own" / "ort-wasm-simd-threaded.wasm").unlink()
    with pytest.raises(SourceError, match=r"no ort-wasm-simd-threaded\.wasm"):
        obtain_runtime(tmp_path / "own")


def test_one_file_of_another_version_is_refused(pinned: Path, tmp_path: Path) -> None:
    place = tmp_path / "own"
    place.mkdir()
    for name in FILES:
        (place / name).symlink_to(pinned / name)
    (place / "ort.wasm.min.mjs").unlink()
    (place / "ort.wasm.min.mjs").write_text("export {};", encoding="utf-8")
    with pytest.raises(SourceError, match=r"ort\.wasm\.min\.mjs is not of"):
        obtain_runtime(place)
