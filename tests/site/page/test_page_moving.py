"""Moving pictures: a camera and a film, where they move and where somebody stops to look."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image
from scripts.faults.media import write_film

from .visits import IDLE, RECORD, Visit, camera_scene, visiting

LIVE = "liveGradcam.session.shown.live && liveGradcam.session.rate > 0"
# Two engines in float32; the blur is in whole grey levels here, in fixed point there.
PROBABILITY = 0.01
RATE = 12
PLAY = """() => {
  const film = document.getElementById("film");
  film.loop = true; // however long it takes
  void film.play();
}"""


@pytest.fixture(scope="module")
def page_name() -> str:
    """What a test measures on a frame is compared with Python: both have to compute the same."""
    return "exact"


@pytest.fixture(scope="module")
def seen(chromium: Any, address: str) -> Iterator[Visit]:
    """A visit that may use the camera."""
    with visiting(chromium, address, permissions=["camera"]) as visit:
        yield visit


@pytest.fixture
def camera(seen: Visit) -> Iterator[Visit]:
    """The camera runs."""
    seen.page.click("#tab-camera")
    seen.page.click("#camera-start")
    seen.wait_until(LIVE)
    yield seen
    seen.page.click("#tab-picture")
    seen.wait_until(IDLE)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of one scene after the other."""
    scenes = [render_scene(seed, width=320, height=240, objects=1).image for seed in range(8)]
    return write_film(
        tmp_path_factory.mktemp("films") / "scenes.mp4",
        frames=10 * RATE,
        width=320,
        height=240,
        rate=RATE,
        image=lambda number, width, height: scenes[number // RATE % len(scenes)],
    )


@pytest.fixture
def shown_film(seen: Visit, film: Path) -> Iterator[Visit]:
    """The film stands at its beginning."""
    seen.page.click("#tab-video")
    seen.page.set_input_files("#video-file", str(film))
    seen.wait_for_picture("scenes.mp4")
    seen.wait_until(IDLE)
    yield seen
    seen.page.click("#tab-picture")


def picture_of(visit: Visit) -> Image:
    """The picture that is explained, as the page has it; BGR."""
    text = visit.run(
        """async () => {
          const { bitmap } = liveGradcam.session.picture;
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
          canvas.getContext("2d").drawImage(bitmap, 0, 0);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          const bytes = Array.from(new Uint8Array(await blob.arrayBuffer()));
          return btoa(bytes.map((each) => String.fromCharCode(each)).join(""));
        }"""
    )
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def frames_explained(visit: Visit, count: int) -> None:
    """Wait until so many more pictures are explained."""
    number = visit.run("() => liveGradcam.session.shown.number")
    visit.wait_until(f"liveGradcam.session.shown.number >= {number + count}")


def test_the_camera_is_explained_live(camera: Visit, explainer: GraphExplainer) -> None:
    best = explainer.explain_batch([camera_scene()])[0].predictions[0]
    assert camera.text("#classes li:first-child .name") == best.label
    camera.page.click("#engine summary")
    camera.wait_for_text("#engine", "explained pictures a second")
    camera.page.click("#engine summary")


def test_what_goes_wrong_is_said_until_somebody_does_something_else(
    camera: Visit, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    camera.page.set_input_files("#picture-file", str(tmp_path / "text.jpg"))
    assert "text.jpg is no picture" in camera.failure()
    frames_explained(camera, 3)
    assert "text.jpg is no picture" in camera.failure()
    camera.page.click("#camera-start")
    camera.page.click("#camera-start")
    camera.wait_until("document.getElementById('message').hidden")


def test_what_was_found_on_another_frame_is_not_recorded_of_this_one(camera: Visit) -> None:
    camera.wait_until(
        """(({ reading, shown }) => reading && reading.number !== shown.number)(
          liveGradcam.session)"""
    )
    record = camera.run(
        """async () => {
          const { recordOf } = await import("./js/snapshot.js");
          const { session } = liveGradcam;
          const reading = session.truth.found;
          return [recordOf(session), reading.number === session.shown.number];
        }"""
    )
    (found, is_this), here = record, record[0]["removal"]
    assert (here is not None) == is_this
    assert (found["removal_of_another"] is not None) == (not is_this)


def test_a_frozen_frame_is_tested_as_it_is_looked_at(
    camera: Visit, explainer: GraphExplainer
) -> None:
    camera.page.click("#camera-freeze")
    camera.wait_until(f"{IDLE} && liveGradcam.session.shown.frozen")
    camera.wait_for_verdict()
    image = picture_of(camera)
    explanation = explainer.explain_batch([image])[0]
    expected = removal_test(explainer, image, explanation)
    assert expected is not None
    found = camera.run(RECORD)
    assert found["region"] == explanation.region.as_list()
    assert found["removal_of_another"] is None
    assert found["removal"]["before"] == pytest.approx(expected.before, abs=PROBABILITY)
    assert found["removal"]["without_hot"] == pytest.approx(expected.without_hot, abs=PROBABILITY)

    camera.run("() => liveGradcam.session.state.set({ view: 'stretch' })")
    camera.wait_until("liveGradcam.session.shown.explanation.region.width === 640")
    camera.wait_for_verdict()
    camera.run("() => liveGradcam.session.state.set({ view: 'crop' })")
    camera.wait_until("liveGradcam.session.shown.explanation.region.width < 640")

    camera.page.click("#camera-freeze")
    camera.wait_until(LIVE)


def test_a_stopped_camera_leaves_a_picture_that_can_be_asked(camera: Visit) -> None:
    camera.page.click("#camera-start")
    assert camera.text("#camera-start") == "Start the camera"
    camera.wait_until(f"{IDLE} && !liveGradcam.session.shown.live")
    assert camera.run("() => document.getElementById('answer').ariaLive") == "polite"
    camera.wait_for_verdict()
    number = camera.run("() => liveGradcam.session.shown.number")
    camera.run("() => liveGradcam.session.state.set({ view: 'stretch' })")
    camera.wait_until(f"liveGradcam.session.shown.number > {number} && {IDLE}")
    assert camera.run(RECORD)["view"] == "stretch"
    camera.run("() => liveGradcam.session.state.set({ view: 'crop' })")


def test_a_film_is_explained_at_the_time_of_its_frame(shown_film: Visit) -> None:
    shown_film.run(
        """() => {
          window.explained = [];
          const { session } = liveGradcam;
          session.addEventListener("explained", () => window.explained.push(session.shown.seconds));
          document.getElementById("film").currentTime = 1.03;
        }"""
    )
    shown_film.wait_until("window.explained.length > 0")
    shown_film.wait_until(IDLE)
    shown_film.wait_for_verdict()
    (seconds,) = shown_film.run("() => window.explained")
    assert seconds == pytest.approx(1.0)
    assert shown_film.run(RECORD)["pts_seconds"] == pytest.approx(1.0)


def test_a_playing_film_is_explained_while_it_plays_and_where_it_is_paused(
    shown_film: Visit,
) -> None:
    shown_film.run(PLAY)
    shown_film.wait_until("liveGradcam.session.shown.live && liveGradcam.session.shown.seconds > 0")
    frame = RATE * shown_film.run("() => liveGradcam.session.shown.seconds")
    assert frame == pytest.approx(round(frame), abs=1e-3)
    shown_film.run("() => document.getElementById('film').pause()")
    shown_film.wait_until(f"!liveGradcam.session.shown.live && {IDLE}")
    shown_film.wait_for_verdict()
    frame = RATE * shown_film.run("() => liveGradcam.session.shown.seconds")
    assert frame == pytest.approx(round(frame), abs=1e-3)
    clock = shown_film.run("() => document.getElementById('film').currentTime")
    # A browser shows a frame a moment before its time, or until the next one's.
    assert abs(clock - frame / RATE) < 1.01 / RATE


def test_a_picture_that_is_pasted_while_a_film_plays_stays(
    shown_film: Visit, tmp_path: Path
) -> None:
    shown_film.run(PLAY)
    shown_film.wait_until("liveGradcam.session.shown.live")
    png = cv2.imencode(".png", camera_scene())[1]
    shown_film.run(
        """([bytes]) => {
          const film = document.getElementById("film");
          film.addEventListener("pause", () => (window.paused = true), { once: true });
          const clipboardData = new DataTransfer();
          const file = new File([Uint8Array.from(bytes)], "pasted.png", { type: "image/png" });
          clipboardData.items.add(file);
          const options = { clipboardData, bubbles: true };
          document.body.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        [png.ravel().tolist()],
    )
    shown_film.wait_for_picture("pasted.png")
    shown_film.wait_until("Boolean(window.paused)")
    shown_film.wait_for_verdict()
    assert shown_film.run("() => liveGradcam.session.shown.name") == "pasted.png"
    # Space is for what its tab shows.
    shown_film.page.locator("h1").click()
    shown_film.page.keyboard.press("Space")
    assert shown_film.run("() => document.getElementById('film').paused")
    shown_film.page.click("#tab-video")
    shown_film.wait_for_picture("scenes.mp4")


def test_views_that_are_chosen_quickly_end_with_the_last_one(seen: Visit) -> None:
    seen.wait_until(IDLE)
    seen.run(
        """() => {
          const { state } = liveGradcam.session;
          for (const view of ["stretch", "crop", "stretch", "crop", "stretch"]) state.set({ view });
        }"""
    )
    seen.wait_until(f"{IDLE} && !liveGradcam.session.outdated")
    assert seen.page.is_hidden("#message")
    record = seen.run(RECORD)
    assert record["region"] == [0, 0, record["width"], record["height"]]
    seen.run("() => liveGradcam.session.state.set({ view: 'crop' })")
    seen.wait_until(IDLE)
