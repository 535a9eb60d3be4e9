"""Whatever is missing or broken is said in a sentence; the page is never blank."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from scripts.faults.media import write_film
from tests.site.conftest import replaced

from .visits import CHROMIUM, EXPLAINED, FLAGS, RECORD, Visit, visiting

Copy = Callable[[str], tuple[Path, str]]


def without_graph(folder: Path) -> None:
    (folder / "graph.onnx").unlink()


def cut_short(folder: Path) -> None:
    graph = folder / "graph.onnx"
    replaced(graph, graph.read_bytes()[:100_000])


def described(folder: Path, **changes: Any) -> None:
    """Change what the page is told; the service worker's version stays."""
    description = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    for name, value in changes.items():
        description[name] = {**description[name], **value}
    replaced(folder / "site.json", json.dumps(description).encode())


def not_a_graph(folder: Path) -> None:
    """The right length and checksum, and nonsense inside."""
    import hashlib

    content = b"\x08nonsense" * 1000
    replaced(folder / "graph.onnx", content)
    described(folder, graph={"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})


def wrong_labels(folder: Path) -> None:
    described(folder, model={"labels": ["cat", "dog"], "titles": ["cat", "dog"], "classes": [0, 1]})


def damaged_description(folder: Path) -> None:
    replaced(folder / "site.json", b'{"format": 1, "model"')


def newer_description(folder: Path) -> None:
    replaced(folder / "site.json", b'{"format": 99}')


def without_description(folder: Path) -> None:
    (folder / "site.json").unlink()


def without_runtime(folder: Path) -> None:
    (folder / "runtime" / "ort-wasm-simd-threaded.wasm").unlink()


def without_script(folder: Path) -> None:
    (folder / "runtime" / "ort-wasm-simd-threaded.mjs").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without_graph, "the server answers 404"),
        (cut_short, "is not the one that was exported"),
        (not_a_graph, "cannot be read"),
        (wrong_labels, "16 scores, and there are 2 labels"),
        (damaged_description, "site.json beside this page is damaged"),
        (newer_description, "of another version than the page"),
        (without_description, "needs the file site.json"),
        (without_runtime, "needs the file runtime/ort-wasm-simd-threaded.wasm"),
        (without_script, "needs the file runtime/ort-wasm-simd-threaded.mjs"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_damaged_folder_says_what_is_damaged(
    chromium: Any, copy: Copy, damage: Callable[[Path], None], words: str
) -> None:
    folder, address = copy(damage.__name__)
    damage(folder)
    with visiting(chromium, address, fails=True) as visit:
        assert words in visit.failure()


def text_file(path: Path) -> None:
    path.write_text("hello", encoding="utf-8")


def nothing(path: Path) -> None:
    path.touch()


def half_a_picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (text_file, "text.jpg", "text.jpg is no picture that this browser can read"),
        (nothing, "nothing.png", "nothing.png is empty"),
        (half_a_picture, "half.png", "half.png is no picture that this browser can read"),
        (write_film, "film.mp4", "film.mp4 is a video: open it on the tab Video"),
        (write_film, "film.mkv", "film.mkv is a video: open it on the tab Video"),
    ],
    ids=["text", "nothing", "half", "film", "film of an unknown kind"],
)
def test_what_is_no_picture_is_named_and_the_last_one_stays(
    visit: Visit, tmp_path: Path, make: Callable[[Path], object], name: str, words: str
) -> None:
    make(tmp_path / name)
    answer = visit.text("#answer")
    visit.page.set_input_files("#picture-file", str(tmp_path / name))
    visit.wait_until(f"document.getElementById('message').textContent.includes({words!r})")
    assert visit.page.is_visible("#message")
    assert visit.text("#answer") == answer


def test_a_film_that_is_none_is_named(visit: Visit, tmp_path: Path) -> None:
    text_file(tmp_path / "text.mp4")
    visit.page.click("#tab-video")
    visit.page.set_input_files("#video-file", str(tmp_path / "text.mp4"))
    assert "text.mp4 cannot be played" in visit.failure()
    visit.page.click("#tab-picture")


def test_a_picture_of_forty_megapixels_is_explained(visit: Visit, tmp_path: Path) -> None:
    scene = render_scene(2, width=320, height=200, objects=1).image
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), cv2.resize(scene, (8000, 5000), interpolation=cv2.INTER_NEAREST))
    visit.choose_picture(path)
    assert "8000x5000 pixels is very large; each 2x2 of its pixels" in visit.text("#message")
    large = visit.text("#classes li:first-child .name")
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.asarray(scene))
    visit.choose_picture(small)
    assert visit.text("#classes li:first-child .name") == large


def test_the_region_of_a_large_picture_is_in_its_own_pixels(
    visit: Visit, explainer: GraphExplainer, tmp_path: Path
) -> None:
    path = tmp_path / "wide.jpg"
    cv2.imwrite(str(path), np.full((4001, 6002, 3), 200, np.uint8))
    visit.choose_picture(path)
    record = visit.run(RECORD)
    assert (record["width"], record["height"], record["reduced"]) == (6002, 4001, [3001, 2000])
    region = explainer.explain(path).region.as_list()
    assert np.abs(np.subtract(record["region"], region)).max() <= 2  # one of the averaged pixels


def test_a_picture_above_the_limit_is_refused_before_it_is_decoded(
    visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((20_000, 20_000), np.uint8))[1].tobytes())
    visit.page.set_input_files("#picture-file", str(path))
    visit.wait_until("document.getElementById('message').textContent.includes('huge.png has')")
    assert "huge.png has 20000x20000 pixels, which is more than" in visit.text("#message")


def test_a_camera_that_is_refused(chromium: Any, address: str) -> None:
    with visiting(chromium, address) as visit:
        visit.page.click("#tab-camera")
        visit.page.click("#camera-start")
        assert "does not allow this page to use the camera" in visit.failure()
        assert visit.text("#camera-start") == "Start the camera"


def test_a_camera_that_is_not_there(playwright: Any, small: str) -> None:
    flags = [flag for flag in FLAGS if flag != "--use-fake-device-for-media-stream"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    try:
        with visiting(browser, small) as visit:
            visit.page.click("#tab-camera")
            visit.page.click("#camera-start")
            assert "finds no camera" in visit.failure()
            assert visit.text("#camera-start") == "Start the camera"
    finally:
        browser.close()


def test_a_dead_worker_is_said_and_nothing_waits_for_it(
    chromium: Any, small: str, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "scene.png"), render_scene(3, width=96, height=96).image)
    with visiting(chromium, small) as visit:
        visit.choose_picture(tmp_path / "scene.png")
        visit.run(
            """() => liveGradcam.session.client.worker.dispatchEvent(
              new ErrorEvent("error", { message: "out of breath", cancelable: true }))"""
        )
        visit.run("() => liveGradcam.session.state.set({ view: 'stretch' })")
        assert "The page's worker stopped: out of breath" in visit.failure()
        visit.wait_until("!liveGradcam.session.busy")


def test_the_page_says_which_engine_runs_and_why(chromium: Any, address: str) -> None:
    """A plain host sends no headers for threads; the service worker adds them from then on."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    first = Visit(page)
    first.wait_until(EXPLAINED)
    page.click("#engine summary")
    page.wait_for_selector("#engine[data-compared]", timeout=60_000)
    said = first.text("#engine")
    assert "In use: WebAssembly with one thread" in said
    assert "There is one thread only" in said
    assert "WebGPU" in said
    first.wait_until("Boolean(navigator.serviceWorker.controller)")

    context.set_offline(True)
    page.reload()
    again = Visit(page)
    again.wait_until(EXPLAINED)
    assert again.run("() => crossOriginIsolated")
    page.click("#engine summary")
    again.wait_until("document.getElementById('engine-lines').innerText.includes('In use')")
    assert "threads" in again.text("#engine-lines").split(",")[0]
    assert again.wait_for_verdict()
    context.close()
