"""The page in a real Chromium: what a visitor does, and what the browser asks for meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.values import Image
from scripts.faults.media import quadrants, write_film

from .conftest import Page, decoded, encoded, scene
from .visits import PATIENCE_MS, Visit, visiting


@pytest.fixture
def visit(chromium: Any, page: Page) -> Iterator[Visit]:
    with visiting(chromium, page.address, viewport={"width": 1280, "height": 900}) as visit:
        yield visit


@pytest.fixture
def image_file(telling: Image, tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    path.write_bytes(encoded(telling))
    return path


def test_the_first_view_is_an_explained_example(visit: Visit) -> None:
    first = visit.text("#picture-classes button[aria-pressed=true] .name")
    visit.wait_for_text("#sentence", first)
    visit.wait_for_text("#trust", "this area")
    assert first in str(visit.page.get_attribute("#picture-overlay img", "alt"))
    assert visit.page.locator("#picture-classes li").count() == 3
    before = visit.overlay()
    # Controls work on it as on a picture of one's own.
    visit.page.locator("#picture-controls").get_by_text("Whole").click()
    visit.wait_for_another(before)
    before = visit.overlay()
    visit.page.locator("#picture-examples button").nth(1).click()
    visit.wait_for_another(before)


@pytest.mark.parametrize("scale", [1, 3])
def test_pictures_are_drawn_as_wide_as_they_are_shown(
    chromium: Any, page: Page, scale: int
) -> None:
    size = {"width": 1280, "height": 900}
    with visiting(chromium, page.address, viewport=size, device_scale_factor=scale) as visit:
        # Where the layout has changed last, pictures of another width are on their way.
        visit.wait_until(
            """() => {
              const images = [...document.querySelectorAll("img[data-live]")];
              const drawn = images.filter((image) => image.width > 0);
              return drawn.length > 4 && drawn.every((image) => {
                const ratio = image.getAttribute("width") / image.getAttribute("height");
                const width = Math.min(image.clientWidth, image.clientHeight * ratio);
                const [shown, exact] = [width * devicePixelRatio, image.naturalWidth];
                return exact >= Math.min(shown, 640) - 1 && exact <= shown + 64;
              });
            }"""
        )
        visit.page.set_viewport_size({"width": 900, "height": 900})
        narrower = "document.querySelector('#picture-overlay img').clientWidth"
        visit.wait_until(
            f"""() => {{
              const image = document.querySelector("#picture-overlay img");
              return Math.abs(image.naturalWidth - {narrower} * devicePixelRatio) <= 64;
            }}"""
        )


def test_an_uploaded_image_is_explained(
    visit: Visit, image_file: Path, telling: Image, explainer: Explainer
) -> None:
    visit.choose_image(image_file)
    predictions = explainer.explain(telling).predictions
    best = predictions[0].label
    visit.wait_for_text("#sentence", best)
    assert visit.text("#trust").count("%") >= 4
    names = visit.page.locator("#picture-classes .name").all_inner_texts()
    assert names == [each.label for each in predictions[:3]]
    assert best in str(visit.page.get_attribute("#picture-overlay img", "alt"))
    # What the network says of the best class stands once.
    result = re.sub(r"\s+", " ", visit.text("#picture-result"))
    figure = visit.text("#picture-classes li:first-child .figure")
    assert result.count(figure) <= 1 + visit.text("#trust").count(figure.lstrip("<>"))


def test_controls_change_the_image(
    visit: Visit, image_file: Path, classifier: Classifier, telling: Image, explainer: Explainer
) -> None:
    # What is folded away is made when it is opened, and takes no key in its first moments.
    visit.page.locator("#picture-controls").get_by_text("Method and colours").click()
    slider = visit.page.locator("#picture-controls input[type=range]")
    slider.wait_for()
    visit.choose_image(image_file)
    before = visit.overlay()
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


def test_a_class_beside_the_image_can_be_explained(visit: Visit, image_file: Path) -> None:
    visit.choose_image(image_file)
    second = visit.page.locator("#picture-classes button").nth(1)
    label = second.locator(".name").inner_text()
    second.click()
    visit.wait_for_text("#sentence", f"asked about {label}")
    visit.wait(f"#picture-classes button[aria-pressed=true][data-class='{label}']")


def test_a_spot_of_the_image_answers(
    visit: Visit, image_file: Path, telling: Image, explainer: Explainer
) -> None:
    visit.choose_image(image_file)
    best = explainer.explain(telling).predictions[0].label
    picture = visit.page.locator("#picture-overlay img")
    picture.click()
    assert best in visit.wait_for_text("#picture-overlay .spot", "This spot")
    cell = visit.page.locator("#picture-overlay .cell").bounding_box()
    box = picture.bounding_box()
    middle = box["x"] + box["width"] / 2
    assert cell["x"] <= middle <= cell["x"] + cell["width"] + 1
    for _ in range(14):
        visit.page.keyboard.press("ArrowLeft")
    visit.wait_for_text("#picture-overlay .spot", "does not see this spot")


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
    allowed = ["clipboard-read", "clipboard-write"]
    with visiting(chromium, page.address, permissions=allowed) as visit:
        before = visit.overlay()
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
        visit.wait_for_another(before)


def test_a_bad_file_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture at all")
    visit.page.set_input_files("#picture-input input[type=file]", str(path))
    said = visit.wait_for_text("body", "the file is text")
    assert "notes.png" in said
    assert "/live-gradcam-page-" not in said


def test_the_camera_is_explained_live(visit: Visit) -> None:
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=live]")
    frames = "(count) => performance.getEntriesByType('resource')"
    frames += ".filter((each) => each.name.includes('live/camera/')).length > count"
    visit.wait_until(frames, 20)
    visit.wait_until("() => /FPS/.test(document.querySelector('#camera-rate').innerText)")
    assert visit.page.locator("#camera-labels li").count() == 3
    # Drawn as wide as it is shown; where the layout has changed, with the next picture.
    visit.wait_until(
        """() => {
          const { clientWidth: shown, width, height } = document.querySelector("#camera-picture");
          return shown <= width && width < shown + 160 && height === Math.floor(width * 3 / 4);
        }"""
    )
    assert re.search("sees|guess", visit.text("#camera-sentence"))
    visit.wait_until("() => document.querySelector('#camera-verdict').innerText.length > 10")
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


def test_a_camera_that_is_stopped_before_it_has_begun_is_given_back(visit: Visit) -> None:
    held: list[Any] = []
    visit.page.route("**/live/camera", lambda route: held.append(route))
    visit.tab("Camera")
    visit.page.click("#camera-button")
    _until(visit, lambda: bool(held))
    visit.page.click("#camera-button")
    visit.wait_for_text("#camera-button", "Start the camera")
    with visit.page.expect_response("**/live/camera/*/stop"):
        held[0].continue_()
    assert visit.page.get_attribute("#camera-stage", "data-state") == "idle"


def _until(visit: Visit, there: Callable[[], bool]) -> None:
    """Wait for what the browser asked of this process; its events arrive while it is waited for."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not there():
        assert time.monotonic() < deadline
        visit.page.wait_for_timeout(20)


def test_what_was_on_its_way_is_not_taken_for_the_frozen_picture(visit: Visit) -> None:
    held: list[Any] = []
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-freeze:not([disabled])")
    visit.page.route("**/live/camera/*?n=*", lambda route: held.append(route))
    _until(visit, lambda: len(held) == 2)  # as many as are on their way at once
    visit.page.click("#camera-freeze")
    held[0].continue_()
    _until(visit, lambda: len(held) == 3)  # the frozen picture follows when there is room
    assert "frozen" not in visit.text("#camera-rate")
    assert not visit.text("#camera-verdict")
    for route in held[1:]:
        route.continue_()
    visit.page.unroute_all(behavior="wait")
    visit.wait_for_text("#camera-rate", "frozen")
    visit.wait_until("() => document.querySelector('#camera-verdict').innerText.length > 10")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=idle]")


def test_a_verdict_that_is_read_while_the_camera_is_frozen_is_about_another_picture(
    visit: Visit,
) -> None:
    visit.page.evaluate(
        """() => {
          const read = Response.prototype.json;
          window.go = [];
          Response.prototype.json = async function () {
            const found = await read.call(this);
            if (this.url.endsWith("/verdict")) await new Promise((go) => window.go.push(go));
            return found;
          };
        }"""
    )
    visit.tab("Camera")
    # A verdict about another class than the shown one would not be shown anyway.
    visit.page.evaluate("() => liveCamera.set('class', 'star')")
    visit.page.click("#camera-button")
    visit.wait_until("() => window.go.length === 1")
    visit.page.click("#camera-freeze")
    visit.wait_for_text("#camera-rate", "frozen")
    visit.page.evaluate("() => window.go[0]()")
    visit.wait_until("() => window.go.length === 2")  # the frozen picture is judged now
    assert not visit.text("#camera-verdict")
    visit.page.evaluate("() => window.go[1]()")
    visit.wait_until("() => document.querySelector('#camera-verdict').innerText.length > 10")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=idle]")


def test_the_camera_can_be_frozen_asked_and_kept(visit: Visit, classifier: Classifier) -> None:
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-freeze:not([disabled])")
    visit.page.click("#camera-freeze")
    visit.wait_for_text("#camera-rate", "frozen")
    visit.wait_until("() => document.querySelector('#camera-verdict').innerText.length > 10")
    # What lies beside the network's view has no heat, and moves with the camera's picture.
    pixels = """() => {
      const canvas = document.querySelector("#camera-picture");
      return canvas.getContext("2d").getImageData(0, 0, 40, canvas.height).data.join();
    }"""
    still = visit.page.evaluate(pixels)
    # A frozen picture is explained in other ways, too.
    label = visit.page.locator("#camera-labels .name").nth(1).inner_text()
    visit.page.locator("#camera-labels button").nth(1).click()
    visit.wait_for_text("#camera-sentence", f"asked about {label}")
    visit.wait("#camera-labels button[aria-pressed=true]")
    visit.page.locator("#camera-labels button[aria-pressed=true]").click()
    visit.wait_until(
        "() => !document.querySelector('#camera-sentence').innerText.includes('asked about')"
    )
    visit.wait_until(f"(still) => ({pixels})() === still", still)
    visit.page.locator("#camera-picture").click()
    visit.wait_for_text("#camera-spot", "This spot")
    assert visit.page.locator("#camera-stage .cell").is_visible()
    visit.page.locator("#camera-picture").press("Escape")
    visit.wait_until("() => document.querySelector('#camera-spot').innerText === ''")
    with visit.page.expect_download() as waiting:
        visit.page.click("#camera-snapshot")
    assert re.fullmatch(r"live-gradcam-\d{8}-\d{6}\.png", waiting.value.suggested_filename)
    assert decoded(Path(waiting.value.path()).read_bytes()).shape == (480, 640, 3)
    visit.page.click("#camera-freeze")
    visit.wait_for_text("#camera-rate", "FPS")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=idle]")
    assert visit.page.locator("#camera-freeze").is_disabled()


def test_a_video_is_explained_plays_and_says_what_was_seen_when(
    visit: Visit, tmp_path: Path, explainer: Explainer
) -> None:
    images = [scene(seed, 160, 120) for seed in (2, 9)]
    film = write_film(
        tmp_path / "film.mp4",
        frames=60,
        width=160,
        height=120,
        image=lambda number, _width, _height: images[number // 30],
    )
    visit.tab("Video")
    visit.page.set_input_files("#video-input input[type=file]", str(film))
    visit.wait("#video-input video")
    in_sight = "document.querySelector('#video-button').getBoundingClientRect().bottom < 900"
    visit.wait_until(f"() => {in_sight}")
    visit.page.click("#video-button")
    visit.wait("#video-result video")
    visit.wait_for_text("#video-message", "60 frames in")
    visit.wait("#video-timeline li:nth-child(2)")
    # A place is found in a video that is there.
    visit.wait_until("() => document.querySelector('#video-result video').readyState >= 2")
    stretches = visit.page.locator("#video-timeline button")
    seen = [each.label for each in (explainer.explain(one).predictions[0] for one in images)]
    names = visit.page.locator("#video-timeline .name").all_inner_texts()
    assert len(names) == 2
    for name, label in zip(names, seen, strict=True):
        assert name in (label, "nothing for sure")
    second = float(stretches.nth(1).get_attribute("data-seconds"))
    stretches.nth(1).click()
    visit.wait_until(
        "(s) => Math.abs(document.querySelector('#video-result video').currentTime - s) < 0.05",
        second,
    )
    visit.wait("#video-timeline li:nth-child(2) button[aria-current]")
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


def test_a_class_is_taught_with_the_camera_and_kept(visit: Visit, tmp_path: Path) -> None:
    visit.tab("Teach")
    visit.wait("#teach-classes li:nth-child(2)")
    assert "stays in its memory until you leave" in visit.text("#teach-stage")
    rows = visit.page.locator("#teach-classes li")
    name = rows.nth(1).locator(".title")
    name.fill("<b>茶壶</b>")
    name.press("Enter")
    # Nobody can show anything before the camera runs.
    rows.nth(1).locator(".hold").press("Space")
    visit.wait_for_text("#teach-line", "The camera has to run first")
    visit.page.click("#teach-button")
    visit.wait("#teach-stage[data-state=live]")
    visit.wait_for_text("#teach-line", "First show it nothing")
    count = """([row, least]) => {
      const shown = document.querySelectorAll("#teach-classes output")[row];
      return Number(shown.innerText) >= least;
    }"""
    visit.wait_until(count, [0, 2])
    # With the mouse, and with the keyboard: as long as it is held.
    hold = rows.nth(1).locator(".hold")
    mouse, keyboard = visit.page.mouse, visit.page.keyboard
    for ready, press, let_go in (
        (hold.hover, mouse.down, mouse.up),
        (hold.focus, lambda: keyboard.down(" "), lambda: keyboard.up(" ")),
    ):
        before = int(rows.nth(1).locator("output").inner_text())
        ready()
        press()
        visit.wait("#teach-classes li:nth-child(2) .hold[aria-pressed=true]")
        visit.wait_until(count, [1, before + 3])
        let_go()
        visit.wait("#teach-classes li:nth-child(2) .hold[aria-pressed=false]")
    visit.wait_until(
        "() => document.querySelectorAll('#teach-classes li:nth-child(2) canvas').length === 2"
    )
    visit.wait_until(
        "() => /Right about|tested/.test(document.querySelector('#teach-line').innerText)"
    )
    visit.wait("#teach-labels [data-class='<b>茶壶</b>']")
    assert visit.page.locator("#teach-labels .name").count() == 2
    visit.page.click("#teach-picture")
    visit.wait_for_text("#teach-spot", "This spot")
    # The network's own classes, and back; of a frozen picture, too.
    visit.page.click("#teach-own")
    visit.wait("#teach-labels li:nth-child(3)")
    visit.page.click("#teach-freeze")
    visit.wait_for_text("#teach-rate", "frozen")
    visit.page.click("#teach-own")
    visit.wait("#teach-labels [data-class='<b>茶壶</b>']")
    with visit.page.expect_download() as waiting:
        visit.page.click("#teach-save button")
    visit.wait_for_text("#teach-line", "run 0 --weights taught.safetensors")
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert load_classifier(weights=path).labels == ("anything else", "<b>茶壶</b>")
    # What is taken back is gone, with its small picture.
    visit.page.click("#teach-undo")
    visit.wait_until(
        "() => document.querySelectorAll('#teach-classes li:nth-child(2) canvas').length === 1"
    )
    with visit.page.expect_response("**/live/lesson/*/stop"):
        visit.page.click("#teach-forget")
    visit.wait("#teach-stage[data-state=idle]")
    visit.wait_until("() => document.querySelector('#teach-classes output').innerText === '0'")


def test_one_camera_runs_at_a_time(visit: Visit) -> None:
    visit.tab("Camera")
    visit.page.click("#camera-button")
    visit.wait("#camera-stage[data-state=live]")
    visit.tab("Teach")
    visit.page.click("#teach-button")
    visit.wait("#teach-stage[data-state=live]")
    assert visit.page.get_attribute("#camera-stage", "data-state") == "idle"
    visit.page.click("#teach-button")
    visit.wait("#teach-stage[data-state=idle]")
