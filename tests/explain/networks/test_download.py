"""Published weights: downloaded once with progress, then used without any network, always verified.

A real server on loopback serves a real ResNet-18 checkpoint under a name that carries its hash.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torchvision.models import Weights
from torchvision.transforms._presets import ImageClassification

from live_gradcam import fetching
from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.download import cached_path, fetch_weights
from tests.explain import support

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "torch"
    monkeypatch.setenv("TORCH_HOME", str(home))
    return home / "hub" / "checkpoints"


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server's address, and the paths that were asked for so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=partial(server.serve_forever, 0.05))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def file_answer(content: bytes, *, promised: int | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(promised or len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def named(content: bytes) -> str:
    return f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("published") / "resnet18.pth"
    torch.save(support.network("resnet18", 10).state_dict(), path)
    return path.read_bytes()


def entry(url: str) -> Weights:
    labels = [f"animal {index}" for index in range(10)]
    transforms = partial(ImageClassification, crop_size=64, resize_size=72)
    return Weights(url=url, transforms=transforms, meta={"categories": labels})


def test_downloaded_once_with_progress_then_used_without_the_network(
    published: bytes, torch_home: Path
) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(file_answer(published)) as (address, asked):
        url = f"{address}/models/{named(published)}"
        weights = entry(url)
        classifier = load_classifier(
            "resnet18", weights=weights, progress=lambda *step: seen.append(step)
        )
        assert asked == [f"/models/{named(published)}"]
    assert seen[-1] == (len(published), len(published))
    assert [received for received, _ in seen] == sorted({received for received, _ in seen})
    assert classifier.labels[3] == "animal 3"
    assert classifier.preprocessing.crop_size == 64
    assert named(published) in classifier.weights_origin
    assert [path.name for path in torch_home.iterdir()] == [named(published)], "nothing partial"
    # The server is gone now.
    again = load_classifier("resnet18", weights=weights)
    assert torch.equal(
        again.head(torch.ones(1, 512, 2, 2)), classifier.head(torch.ones(1, 512, 2, 2))
    )


def test_the_default_entry_of_torchvision_is_fetched_from_its_own_address(
    published: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import ResNet18_Weights

    with serving(file_answer(published)) as (address, asked):
        monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", f"{address}/{named(published)}")
        with pytest.raises(ModelError, match="1000 labels for a network of 10 classes"):
            load_classifier()
        assert asked == [f"/{named(published)}"]
        assert next(row for row in list_models() if row.name == "resnet18").cached


def test_a_bar_is_shown_on_stderr(published: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(file_answer(published)) as (address, _):
        fetch_weights(f"{address}/{named(published)}", name="resnet18")
    out, err = capsys.readouterr()
    assert named(published) in err
    assert out == ""


def test_a_cached_file_that_is_not_what_its_name_says_is_refused(torch_home: Path) -> None:
    torch_home.mkdir(parents=True)
    path = torch_home / "resnet18-f37072fd.pth"
    path.write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"f37072fd.*Delete it") as caught:
        fetch_weights("http://127.0.0.1:9/resnet18-f37072fd.pth", name="resnet18")
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 5
    assert path.exists(), "it is the user's to delete"


def broken(published: bytes) -> dict[str, tuple[Answer, str]]:
    def missing(handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(404, "Not Found")

    def garbage(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\0\1\2 not HTTP at all\n\n")

    return {
        "interrupted": (file_answer(published[:5000], promised=len(published)), "interrupted"),
        "other content": (file_answer(b"<html>login</html>"), "its name says"),
        "not found": (missing, "404"),
        "not HTTP": (garbage, "cannot download"),
    }


@pytest.mark.parametrize("case", ["interrupted", "other content", "not found", "not HTTP"])
def test_a_failed_download_leaves_nothing_and_names_the_ways_out(
    published: bytes, torch_home: Path, case: str
) -> None:
    answer, said = broken(published)[case]
    with serving(answer) as (address, _):
        url = f"{address}/{named(published)}"
        with pytest.raises(ModelError, match=said) as caught:
            fetch_weights(url, name="resnet18", progress=lambda *_: None)
    message = str(caught.value)
    assert caught.value.exit_code == 5
    for way_out in ("--weights", "--model scenes", str(cached_path(url)), url):
        assert way_out in message
    assert "\n" not in message
    assert list(torch_home.iterdir()) == []


def test_no_network_is_an_error_with_the_ways_out(torch_home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/resnet18-12345678.pth"
        with pytest.raises(ModelError, match=r"cannot be reached.*--model scenes"):
            fetch_weights(url, name="resnet18", progress=lambda *_: None)
    assert list(torch_home.iterdir()) == []


@pytest.mark.parametrize("begins", [False, True], ids=["never answers", "stops in the middle"])
def test_silence_ends_in_an_error(
    monkeypatch: pytest.MonkeyPatch, published: bytes, torch_home: Path, begins: bool
) -> None:
    monkeypatch.setattr(fetching, "SILENCE_SECONDS", 0.3)
    over = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        if begins:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(published)))
            handler.end_headers()
            handler.wfile.write(published[:5000])
        over.wait(20)

    with serving(silent) as (address, _):
        try:
            with pytest.raises(ModelError, match="cannot download") as caught:
                fetch_weights(
                    f"{address}/{named(published)}", name="resnet18", progress=lambda *_: None
                )
        finally:
            over.set()
    assert caught.value.exit_code == 5
    assert list(torch_home.iterdir()) == []


def test_an_interrupt_leaves_nothing(published: bytes, torch_home: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with serving(file_answer(published)) as (address, _), pytest.raises(KeyboardInterrupt):
        fetch_weights(f"{address}/{named(published)}", name="resnet18", progress=interrupt)
    assert list(torch_home.iterdir()) == []


def test_a_cache_that_cannot_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: bytes
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("TORCH_HOME", str(blocked))
    with (
        serving(file_answer(published)) as (address, _),
        pytest.raises(ModelError, match="--weights"),
    ):
        fetch_weights(f"{address}/{named(published)}", name="resnet18", progress=lambda *_: None)
