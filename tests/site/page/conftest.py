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
from live_gradcam.site import write_site
from live_gradcam.site.runtime import Runtime
from tests.exports.support import small_classifier
from tests.site.conftest import Host

from .visits import CHROMIUM, FLAGS, Visit, visiting, write_camera

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
def copy(host: Host, served: str, page_name: str) -> Iterator[Callable[..., tuple[Path, str]]]:
    """Make a copy of a page, this module's or another; its files are links until written anew."""
    made: list[Path] = []

    def copied(name: str, of: str = page_name) -> tuple[Path, str]:
        folder = host.folder / name
        shutil.copytree(host.folder / of, folder, copy_function=os.link)
        made.append(folder)
        return folder, f"{served}{name}/"

    yield copied
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(scope="package")
def small(host: Host, served: str, web_runtime: Runtime) -> str:
    """Address of the page of a network so small that every engine runs it at once.

    Its graph has maps of the three best classes of each picture.
    """
    write_site(
        host.folder / "small",
        small_classifier("linear"),
        runtime=web_runtime,
        classes="top",
        precision="fp32",
    )
    return f"{served}small/"


@pytest.fixture(scope="package")
def playwright() -> Iterator[Any]:
    """What starts browsers; there is one at a time."""
    tools = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    with tools.sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def chromium(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real browser whose camera plays a film; a visit has to be given it, as a visitor would."""
    film = write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m")
    flags = [each for each in FLAGS if each != "--use-fake-ui-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={film}")
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
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
