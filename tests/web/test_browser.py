"""The page in a real Chromium: what a visitor does, and what the browser asks for meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.values import Image
from scripts.faults.media import quadrants, write_film

from .conftest import Page, decoded, encoded

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

# Generous, because a busy machine is slow; waiting ends as soon as it is there.
PATIENCE_MS = 60_000
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@dataclass
class Visit:
    """An open page and what it did.

    Attributes:
        page: Playwright's page.
        requests: Every address that the browser asked for.
        problems: Errors of scripts, and answers that refuse.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, answer: Any) -> None:
        """Note an answer that refuses."""
        if answer.status >= 400:
            self.problems.append(f"{answer.status} {answer.url}")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector)).replace("\N{NO-BREAK SPACE}", " ")

    def wait(self, selector: str) -> None:
        self.page.wait_for_selector(selector, timeout=PATIENCE_MS)

    def wait_until(self, script: str, argument: object = None) -> None:
        self.page.wait_for_function(script, arg=argument, timeout=PATIENCE_MS)

    def wait_for_text(self, selector: str, text: str) -> None:
        """Wait until an element shows a text: parts of one answer need not appear together."""
        script = "([selector, text]) => document.querySelector(selector)?.innerText"
        script += ".replaceAll('\u00a0', ' ').includes(text)"
        self.wait_until(script, [selector, text])

    def choose_image(self, path: Path) -> None:
        self.page.set_input_files("#picture-input input[type=file]", str(path))
        self.wait("#picture-overlay img")

    def overlay(self) -> str:
        return str(self.page.get_attribute("#picture-overlay img", "src"))

    def wait_for_another(self, overlay: str) -> None:
        self.wait_until(
            "(old) => { const image = document.querySelector('#picture-overlay img');"
            " return image && image.src !== old; }",
            overlay,
        )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_page(chromium: Any, page: Page, **options: Any) -> Visit:
    context = chromium.new_context(**options)
    visit = Visit(context.new_page())
    visit.page.set_default_timeout(PATIENCE_MS)
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.on("response", visit.check)
    visit.page.goto(page.address)
    visit.wait("#picture-examples button")
    return visit


@pytest.fixture
def visit(chromium: Any, page: Page) -> Iterator[Visit]:
    visit = open_page(chromium, page, viewport={"width": 1280, "height": 900})
    yield visit
    visit.page.context.close()
    assert visit.problems == []
    outside = [
        address
        for address in visit.requests
        if not address.startswith((page.address, "data:", "blob:"))
    ]
    assert outside == []


@pytest.fixture
def image_file(telling: Image, tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    path.write_bytes(encoded(telling))
    return path


def test_an_uploaded_image_is_explained(
    visit: Visit, image_file: Path, telling: Image, explainer: Explainer
) -> None:
    visit.choose_image(image_file)
    best = explainer.explain(telling).predictions[0].label
    visit.wait_for_text("#sentence", best)
    visit.wait_for_text("#picture-label", best)
    visit.wait_for_text("#trust", "blurred")
    assert visit.text("#trust").count("%") >= 4
    visit.wait("#picture-maps figure:nth-of-type(3) img")
    assert visit.page.locator("#picture-maps img").count() == 3
    assert best in str(visit.page.get_attribute("#picture-overlay img", "alt"))


def test_controls_change_the_image(
    visit: Visit, image_file: Path, classifier: Classifier, telling: Image, explainer: Explainer
) -> None:
    visit.choose_image(image_file)
    before = visit.overlay()
    slider = visit.page.locator("#picture-controls input[type=range]")
    slider.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.wait_for_another(before)
    before = visit.overlay()
    visit.page.locator("#picture-controls").get_by_text("Squeezed").click()
    visit.wait_for_another(before)
    best = explainer.explain(telling).predictions[0].label
    other = next(label for label in classifier.labels if label != best)
    box = visit.page.locator("#picture-controls").get_by_label("Explain")
    box.click()
    box.fill(other)
    visit.page.get_by_role("option", name=other, exact=True).click()
    visit.wait_for_text("#sentence", f"asked about {other}")


def test_downloads_are_what_is_shown(
    visit: Visit, image_file: Path, telling: Image, explainer: Explainer
) -> None:
    visit.choose_image(image_file)
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("link", name="PNG").click()
    download = waiting.value
    assert download.suggested_filename == "scene-explained.png"
    drawn = decoded(Path(download.path()).read_bytes())
    assert drawn.shape == telling.shape
    assert (drawn != telling).any()
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("link", name="JSON").click()
    record = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
    expected = explainer.explain(telling)
    assert record["predictions"][0]["label"] == expected.predictions[0].label
    # The page may compute in half precision.
    evidence = np.asarray(record["evidence"]).ravel()
    cosine = evidence @ expected.evidence[0].ravel()
    cosine /= np.linalg.norm(evidence) * np.linalg.norm(expected.evidence[0])
    assert cosine > 0.98


def test_an_image_can_be_pasted(chromium: Any, page: Page) -> None:
    visit = open_page(chromium, page, permissions=["clipboard-read", "clipboard-write"])
    visit.page.bring_to_front()  # the clipboard is for the page in front only
    visit.page.evaluate(
        """async () => {
          const canvas = document.createElement("canvas");
          canvas.width = 320; canvas.height = 240;
          canvas.getContext("2d").fillRect(80, 60, 120, 120);
          const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }"""
    )
    visit.page.get_by_label("Paste from clipboard").click()
    visit.wait("#picture-overlay img")
    visit.page.context.close()


def test_examples_work_with_the_keyboard_alone(visit: Visit) -> None:
    visit.page.locator("#picture-examples button").nth(1).focus()
    visit.page.keyboard.press("Enter")
    visit.wait("#picture-overlay img")
    visit.wait_for_text("#sentence", "The network")


def test_a_bad_file_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture at all")
    visit.page.set_input_files("#picture-input input[type=file]", str(path))
    visit.wait_for_text("body", "the file is text")
    assert "notes.png" in visit.text("body")
    assert "/live-gradcam-page-" not in visit.text("body")


def test_the_camera_is_explained_live(visit: Visit) -> None:
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=live]")
    frames = "(count) => performance.getEntriesByType('resource')"
    frames += ".filter((each) => each.name.includes('live/camera/')).length > count"
    visit.wait_until(frames, 20)
    visit.wait_until("() => /FPS/.test(document.querySelector('#camera-rate').innerText)")
    assert visit.page.locator("#camera-labels li").count() == 3
    assert visit.page.locator("#camera-picture").evaluate("(c) => [c.width, c.height]") == [
        640,
        480,
    ]
    assert visit.text("#camera-button") == "Stop the camera"
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=idle]")
    assert visit.text("#camera-button") == "Start the camera"


def test_a_camera_that_is_stopped_waits_for_no_frame(visit: Visit) -> None:
    """Frames on their way to a camera that is gone would be answered with an error."""
    held: list[Any] = []
    holding = False

    def hold(route: Any) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    visit.page.route("**/live/camera/*?n=*", hold)
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=live]")
    holding = True
    with visit.page.expect_request("**/live/camera/*?n=*"):
        pass
    with visit.page.expect_response("**/live/camera/*/stop"):
        visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=idle]")
    assert held
    for route in held:
        route.continue_()
    visit.page.unroute_all(behavior="wait")
    assert not visit.text("#camera-message").strip()


def test_a_video_is_explained_and_plays(visit: Visit, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", frames=20, width=160, height=120, audio_tracks=1)
    visit.tab("Video")
    visit.page.set_input_files("#video-input input[type=file]", str(film))
    visit.wait("#video-input video")
    visit.page.click("#video-button")
    visit.wait("#video-result video")
    visit.wait_for_text("#video-message", "20 frames in")
    played = visit.page.evaluate(
        """async () => {
          const video = document.querySelector("#video-result video");
          video.muted = true;
          await video.play();
          return [video.videoWidth, video.videoHeight, video.error];
        }"""
    )
    assert played == [160, 120, None]


def test_a_video_can_be_cancelled(visit: Visit, tmp_path: Path) -> None:
    film = write_film(
        tmp_path / "film.mp4",
        frames=1450,  # the longest that the page takes: it must not be done before the button
        width=320,
        height=240,
        image=lambda _number, width, height: quadrants(width, height),
    )
    visit.tab("Video")
    visit.page.set_input_files("#video-input input[type=file]", str(film))
    visit.wait("#video-input video")
    visit.page.click("#video-button")
    visit.wait_for_text("#video-result", "frames")
    visit.page.click("#video-cancel")
    visit.wait_for_text("#video-message", "Cancelled.")
    assert visit.text("#video-message") == "Cancelled."
    assert visit.page.locator("#video-result video").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(chromium: Any, page: Page, scheme: str) -> None:
    size = {"width": 390, "height": 844}
    visit = open_page(
        chromium, page, viewport=size, is_mobile=True, has_touch=True, color_scheme=scheme
    )
    visit.page.locator("#picture-examples button").first.tap()
    visit.wait("#picture-overlay img")
    for tab in ("Picture", "Camera", "Video"):
        visit.tab(tab)
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], tab
    is_dark = visit.page.evaluate("document.body.classList.contains('dark')")
    assert is_dark is (scheme == "dark")
    visit.page.get_by_role("button", name="Dark / light").tap()
    visit.wait_until("(was) => document.body.classList.contains('dark') !== was", is_dark)
    assert visit.problems == []
    visit.page.context.close()
