"""A real page, served by the real command in a process of its own, with the bundled network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.choices import View
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.native import cv2
from live_gradcam.protocol import BatchExplainer, ClassChoice
from live_gradcam.scenes import render_scene
from live_gradcam.values import Explanation, Image

from .visits import CHROMIUM, FLAGS

pytest.importorskip("gradio", reason="the page needs gradio: pip install '.[web]'")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
"""Seconds: a busy machine is slow; waiting ends as soon as it is there."""


_kept_ports: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given while the tests run, however late the page listens on it.

    What keeps it is bound and does not listen: Linux gives such a port to no connection and to
    nobody who asks for any port, and lets a server that asks for this one listen.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    port = int(keeper.getsockname()[1])
    if sys.platform == "linux":
        _kept_ports.append(keeper)
    else:
        keeper.close()
    return port


@pytest.fixture(scope="session", autouse=True)
def _ports_are_given_back() -> Iterator[None]:
    yield
    while _kept_ports:
        _kept_ports.pop().close()


@dataclass(slots=True)
class Page:
    """A running page.

    Attributes:
        process: The server.
        address: Where it is, with a slash at the end.
        lines: What it printed while it started.
    """

    process: subprocess.Popen[str]
    address: str = ""
    lines: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, command: Sequence[str], **environment: str) -> Page:
        """Start a server and wait until it says where it is."""
        page = cls(
            subprocess.Popen(
                [sys.executable, *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=tempfile.gettempdir(),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            )
        )
        stdout = page.process.stdout
        assert stdout is not None
        for line in stdout:
            page.lines.append(line.rstrip())
            if "page is at http" in line:
                page.address = line.split()[-1]
                return page
        page.process.wait()
        pytest.fail("the page did not start:\n" + "\n".join(page.lines))

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


def web_command(*arguments: str) -> list[str]:
    fixed = ["--model", "scenes", "--no-open", "--compile", "off", "--port", str(free_port())]
    return ["-m", "live_gradcam", "web", *fixed, *arguments]


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    """The page as most people start it."""
    page = Page.start(web_command())
    yield page
    page.stop()


@pytest.fixture
def http(page: Page) -> Iterator[httpx.Client]:
    """A plain client of the page: no browser, no origin."""
    with httpx.Client(base_url=page.address, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real browser with a camera that is none."""
    tools = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    with tools.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session", autouse=True)
def _no_monitor_thread() -> None:
    """Torch's graph tools use progress bars that start a thread even when they are not shown."""
    import tqdm

    tqdm.tqdm.monitor_interval = 0


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """The bundled network."""
    return load_classifier("scenes")


@pytest.fixture(scope="session")
def explainer(classifier: Classifier) -> Iterator[Explainer]:
    """The bundled network, in float32 and uncompiled: the same numbers every time."""
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        yield explainer


@pytest.fixture(scope="session")
def telling(explainer: Explainer) -> Image:
    """A generated image in which something speaks for the best class."""
    images = (scene(seed) for seed in range(200))
    return next(each for each in images if (explainer.explain(each).evidence > 0).any())


def scene(seed: int, width: int = 320, height: int = 240) -> Image:
    """A generated image with one object."""
    return render_scene(seed, width=width, height=height, objects=1).image


def encoded(image: NDArray[Any], suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def decoded(data: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


class Counting:
    """A real explainer that counts its images and that a test can hold back."""

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.images = 0
        self.free = threading.Event()
        self.free.set()

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        self.free.wait(PATIENCE)
        self.images += len(images)
        return self.explainer.explain_batch(images, classes=classes, view=view)


def no_other(_classifier: Classifier, _method: str) -> BatchExplainer:
    raise AssertionError("nobody asked for another layer or method")
