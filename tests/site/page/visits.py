"""A visitor of the static page in a real Chromium."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image
from tests.web.visits import CHROMIUM, FLAGS, PATIENCE_MS, PHONE

__all__ = [
    "CAMERA_SCENE",
    "CHROMIUM",
    "FLAGS",
    "PATIENCE_MS",
    "PHONE",
    "READ",
    "RECORD",
    "Visit",
    "camera_scene",
    "visiting",
    "write_camera",
]

CAMERA_SCENE = 6
"""Seed of the scene that the camera looks at; the network is sure of it."""

IDLE = "!liveGradcam.session.busy && !liveGradcam.session.waiting"
RECORD = """async () => {
  const { recordOf } = await import("./js/snapshot.js");
  return recordOf(liveGradcam.session);
}"""
# For scripts that take bytes and give them: as text, in base64.
READ = """
const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
const written = (array) => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (const each of bytes) text += String.fromCharCode(each);
  return btoa(text);
};
"""
EXPLAINED = "document.body.dataset.state === 'explained'"
# A page without examples waits for the visitor's own picture.
OPEN = f"""{EXPLAINED} ||
  (document.body.dataset.state === "ready" && !liveGradcam.session.site.examples.length)"""


def camera_scene() -> Image:
    """What the camera looks at."""
    return render_scene(CAMERA_SCENE, width=640, height=480, objects=1).image


def write_camera(path: Path) -> Path:
    """Write a film as Chromium takes it for a camera: a still scene under a trembling hand."""
    image = camera_scene()
    height, width = image.shape[:2]
    frames = []
    for step in (0, 2, 4, 2):
        moved = np.roll(image, step, axis=1)
        frames.append(b"FRAME\n" + cv2.cvtColor(moved, cv2.COLOR_BGR2YUV_I420).tobytes())
    head = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n"
    path.write_bytes(head.encode() + b"".join(frames))
    return path


@dataclass
class Visit:
    """An open page and what it did.

    Attributes:
        page: Playwright's page.
        requests: Every address that the browser asked for, workers included.
        problems: Errors of scripts and of the console.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def note(self, message: Any) -> None:
        """Keep what the console calls an error."""
        if message.type == "error":
            self.problems.append(message.text)

    def run(self, script: str, argument: object = None) -> Any:
        return self.page.evaluate(script, argument)

    def wait_until(self, script: str) -> None:
        """Wait for a condition; the page's policy forbids the polling that Playwright does."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not self.run(script):
            said = self.page.inner_text("body")
            assert time.monotonic() < deadline, f"{script} is still false; the page says: {said}"
            self.page.wait_for_timeout(20)

    def wait_for_text(self, selector: str, text: str) -> None:
        self.page.locator(selector).get_by_text(text).wait_for(timeout=PATIENCE_MS)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector)).replace("\N{NO-BREAK SPACE}", " ")

    def wait_for_picture(self, name: str) -> None:
        self.wait_until(f"window.liveGradcam?.session.shown?.name === {name!r}")

    def choose_picture(self, path: Path) -> None:
        """Choose a file and wait until it is explained, and nothing else is."""
        self.wait_until(IDLE)
        before = self.run("() => liveGradcam.session.shown?.number ?? -1")
        self.page.set_input_files("#picture-file", str(path))
        self.wait_for_picture(path.name)
        self.wait_until(f"liveGradcam.session.shown.number > {before} && {IDLE}")

    def failure(self) -> str:
        """Wait for a sentence that says what is wrong."""
        self.page.wait_for_selector(
            "#message[data-kind=failure]:not([hidden])", timeout=PATIENCE_MS
        )
        return self.text("#message")

    def wait_for_verdict(self) -> str:
        """Wait until the picture that is shown is tested."""
        self.wait_until("Boolean(window.liveGradcam?.session.reading)")
        self.page.wait_for_selector("#verdict[data-state=done]", timeout=PATIENCE_MS)
        return self.text("#verdict")


@contextmanager
def visiting(
    chromium: Any,
    address: str,
    *,
    fails: bool = False,
    prepare: str = "",
    **options: Any,
) -> Iterator[Visit]:
    """Open the page as a visitor; whatever goes wrong meanwhile fails the test.

    Args:
        chromium: The browser.
        address: Of the page.
        fails: The page is expected to say that it cannot work.
        prepare: A script that runs before the page's own.
        options: Of the browser's context.
    """
    context = chromium.new_context(**options)
    try:
        visit = Visit(context.new_page())
        visit.page.set_default_timeout(PATIENCE_MS)
        context.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.on("console", visit.note)
        if prepare:
            visit.page.add_init_script(prepare)
        visit.page.goto(address)
        visit.wait_until("document.body.dataset.state === 'failed'" if fails else OPEN)
        yield visit
    finally:
        context.close()
    assert fails or not visit.problems, visit.problems
    outside = [each for each in visit.requests if not each.startswith((address, "data:", "blob:"))]
    assert not outside, outside
