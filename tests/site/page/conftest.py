"""The folder of the bundled network, exported once and served as any static host would."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.load import load_classifier
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.open import open_graph
from live_gradcam.site import write_site
from live_gradcam.site.runtime import obtain_runtime

from .visits import CHROMIUM, FLAGS, Visit, visiting

pytest.importorskip("onnx", reason="exporting needs onnx: pip install '.[export]'")
pytest.importorskip("onnxruntime", reason="the comparison needs onnxruntime")
START_SECONDS = 60.0


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page in ``site/``; copies with damage are put beside it."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    try:
        runtime = obtain_runtime()
    except LiveGradcamError as error:
        pytest.skip(f"no onnxruntime-web: {error}")
    folder = tmp_path_factory.mktemp("host")
    write_site(folder / "site", load_classifier("scenes"), runtime=runtime)
    return folder


@pytest.fixture(scope="session")
def served(host: Path) -> Iterator[str]:
    """Address of the host, with a slash at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(host)]
    server = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def address(served: str) -> str:
    """Address of the page."""
    return f"{served}site/"


@pytest.fixture
def copy(host: Path, served: str) -> Iterator[Callable[[str], tuple[Path, str]]]:
    """Make a copy of the page; its files are links until they are written anew."""
    made: list[Path] = []

    def copied(name: str) -> tuple[Path, str]:
        folder = host / name
        shutil.copytree(host / "site", folder, copy_function=os.link)
        made.append(folder)
        return folder, f"{served}{name}/"

    yield copied
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    """What starts browsers; there is one at a time."""
    tools = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    with tools.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright: Any) -> Iterator[Any]:
    """A real browser with a camera that is none."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def visit(chromium: Any, address: str) -> Iterator[Visit]:
    """One visit for all tests of a module that only ask."""
    with visiting(chromium, address) as visit:
        yield visit


@pytest.fixture(scope="module")
def explainer(host: Path) -> Iterator[GraphExplainer]:
    """The same file in Python."""
    with open_graph(host / "site" / "graph.onnx", engine="onnxruntime") as explainer:
        yield explainer


def replaced(path: Path, content: bytes) -> None:
    """Write a file of a copy anew; the original, which it is a link to, stays."""
    path.unlink()
    path.write_bytes(content)
