"""Visits of the page without a server: a host that counts bytes, a camera of known pictures."""

from __future__ import annotations

import gzip
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import BrowserContext, CDPSession, Page, Playwright

from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.site.policy import THREADS
from live_gradcam.site.server import media_type
from live_gradcam.values import Image

PATIENCE_MS = 120_000
BITS = 12
"""Of the number that `numbered` writes into a picture, below 4096."""

BLOCK = 16
"""Side of the black or white square that stands for one bit, in pixels."""

# What static hosts compress on the way: texts, and WebAssembly; never a network.
_COMPRESSED = (".html", ".js", ".mjs", ".css", ".json", ".svg", ".wasm", ".txt", ".webmanifest")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream"),
    *("--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"),
)


class Host:
    """A static host that counts what it sends.

    It sends what GitHub Pages sends: types, ``Last-Modified``, ten minutes of ``max-age``.

    Attributes:
        address: With a slash at the end.
        sent: Bytes of the bodies, by path.
    """

    def __init__(self, folder: Path, *, compresses: bool = True, threads: bool = False) -> None:
        self.sent: Counter[str] = Counter()
        handler: Any = type(
            "_CountingHandler",
            (_Handler,),
            {"folder": folder, "sent": self.sent, "compresses": compresses, "isolates": threads},
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        self._thread.start()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    sent: Counter[str]
    compresses: bool
    isolates: bool

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        file = self.folder / (path.lstrip("/") or "index.html")
        if not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        changed = formatdate(file.stat().st_mtime, usegmt=True)
        if self.headers.get("If-Modified-Since") == changed:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.end_headers()
            return
        content = file.read_bytes()
        self.send_response(HTTPStatus.OK)
        asked = "gzip" in (self.headers.get("Accept-Encoding") or "")
        if self.compresses and asked and file.suffix in _COMPRESSED:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", media_type(file.name))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", changed)
        self.send_header("Cache-Control", "max-age=600")
        for name, value in THREADS.items() if self.isolates else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.sent[path] += len(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for the table."""


@dataclass
class Visits:
    """What went wrong in all visits.

    Attributes:
        errors: Of scripts and of the console.
        elsewhere: Addresses of other hosts that were asked for.
    """

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @contextmanager
    def browser(
        self, playwright: Playwright, address: str, camera: Path | None = None
    ) -> Iterator[BrowserContext]:
        """Start Chromium; a film (y4m) can be its camera."""
        flags = [*_FLAGS, *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            context = browser.new_context(permissions=["camera"])
            context.set_default_timeout(PATIENCE_MS)
            context.on("request", lambda request: self._note(request.url, address))
            context.on("weberror", lambda error: self.errors.append(str(error.error)))
            context.on("console", self._note_console)
            context.add_init_script(_WATCH)
            yield context
        finally:
            browser.close()

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.elsewhere.append(url)

    def _note_console(self, message: Any) -> None:  # noqa: ANN401 - Playwright's
        if message.type == "error":
            self.errors.append(message.text)


# When the first example was there, in milliseconds since the page was asked for.
_WATCH = """
new MutationObserver(() => {
  if (document.body?.dataset.state === "explained") window.firstExplained ??= performance.now();
}).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-state"] });
"""


def opened(context: BrowserContext, address: str) -> Page:
    """Open the page and wait for the first explained example."""
    page = context.new_page()
    page.goto(address)
    page.locator("body[data-state=explained]").wait_for()
    return page


def wait_until(page: Page, script: str) -> None:
    """Wait for a condition; the page's policy forbids the polling that Playwright does."""
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise TimeoutError(script)


def start_camera(page: Page) -> None:
    """Start the camera and wait until it is explained live."""
    page.click("#tab-camera")
    page.click("#camera-start")
    wait_until(page, "Boolean(liveGradcam.session.shown?.live && liveGradcam.session.rate > 0)")


def numbered(image: Image, number: int) -> Image:
    """Write a number at the left edge, where no central square reaches, for a script to read."""
    marked: Image = image.copy()
    for bit in range(BITS):
        marked[bit * BLOCK : (bit + 1) * BLOCK, :BLOCK] = 255 if number >> bit & 1 else 0
    return marked


def write_camera(path: Path, images: Sequence[Image], *, rate: int, each: int = 1) -> Path:
    """Write pictures as Chromium takes them for a camera, which shows them over and over.

    Args:
        path: Of the film, y4m.
        images: ``uint8 (H, W, 3)`` BGR, all of one even size.
        rate: Frames a second.
        each: Frames that each picture lasts.
    """
    height, width = images[0].shape[:2]
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for image in images:
            planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes()
            film.write((b"FRAME\n" + planes) * each)
    return path


def read_clip(path: Path, count: int, size: tuple[int, int]) -> list[Image]:
    """Read the first frames of a film, at a size (width, height)."""
    film = cv2.VideoCapture(str(path))
    images: list[Image] = []
    while len(images) < count:
        there, image = film.read()
        if not there:
            break
        images.append(resize(np.asarray(image, np.uint8), *size))
    film.release()
    return images


def heap_bytes(client: CDPSession) -> int:
    """Bytes of the page's JavaScript heap, after everything unused was collected."""
    client.send("HeapProfiler.collectGarbage")
    client.send("HeapProfiler.collectGarbage")
    return int(client.send("Runtime.getHeapUsage")["usedSize"])
