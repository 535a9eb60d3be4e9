"""The pages served as any static host would, and one browser for all that visit them.

A module says which page its tests visit by a fixture of its own:

    @pytest.fixture(scope="module")
    def page_name() -> str:
        return "exact"
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.open import open_graph
from tests.site.conftest import Host

from .visits import CHROMIUM, FLAGS, Visit, visiting

_PORT = re.compile(rb"port (\d+)")


@pytest.fixture(scope="session")
def served(host: Host) -> Iterator[str]:
    """Address of the host, with a slash at the end."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    command += ["--directory", str(host.folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as server:
        try:
            assert server.stdout is not None
            port = _PORT.search(server.stdout.readline())
            assert port, "the server does not say where it listens"
            yield f"http://127.0.0.1:{int(port[1])}/"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def page_name() -> str:
    """Name of the page that this module visits: ``site``, or ``exact``, see `Host`."""
    return "site"


@pytest.fixture(scope="module")
def address(served: str, page_name: str) -> str:
    """Address of the page."""
    return f"{served}{page_name}/"


@pytest.fixture
def copy(host: Host, served: str, page_name: str) -> Iterator[Callable[[str], tuple[Path, str]]]:
    """Make a copy of the page; its files are links until they are written anew."""
    made: list[Path] = []

    def copied(name: str) -> tuple[Path, str]:
        folder = host.folder / name
        shutil.copytree(host.folder / page_name, folder, copy_function=os.link)
        made.append(folder)
        return folder, f"{served}{name}/"

    yield copied
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Any]:
    """What starts browsers; there is one at a time."""
    tools = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    with tools.sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
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
def explainer(host: Host, page_name: str) -> Iterator[GraphExplainer]:
    """The page's graph in Python."""
    graph = host.folder / page_name / "graph.onnx"
    with open_graph(graph, engine="onnxruntime") as explainer:
        yield explainer
