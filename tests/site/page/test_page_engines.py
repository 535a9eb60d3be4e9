"""The graphics card is used only where it is faster, says the same, and goes on saying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live_gradcam.native import cv2
from tests.site.conftest import replaced

from .visits import CHROMIUM, FLAGS, Visit, camera_scene, visiting

Copy = Callable[..., tuple[Path, str]]

# WebAssembly, held back: on a small network and a busy machine luck decides which one is faster.
_SLOW = """
import * as real from "./true.mjs";
export const { env, Tensor } = real;
export const InferenceSession = {
  async create(graph, options) {
    const session = await real.InferenceSession.create(graph, options);
    const run = async (feeds) => {
      await new Promise((done) => setTimeout(done, 200));
      return session.run(feeds);
    };
    return { run, outputNames: session.outputNames, release: () => session.release() };
  },
};
"""
# The true engine under the name of the one for graphics cards, and what it does on top.
_ENGINE = """
import * as real from "./ort.wasm.min.mjs";
export const env = { wasm: {} };
export const Tensor = real.Tensor;
let runs = 0;
let known = null;
export const InferenceSession = {
  async create(graph, options) {
    options.executionProviders = ["wasm"];
    const session = await real.InferenceSession.create(graph, options);
    const copy = ({ type, data, dims }) => new Tensor(type, data.slice(), dims);
    const run = async (feeds) => {
      runs += 1;
      known ??= await session.run(feeds);
      const found = {};
      for (const name of Object.keys(known)) found[name] = copy(known[name]);
      DOES
      return found;
    };
    return { run, outputNames: session.outputNames, release: () => session.release() };
  },
};
"""
# A quick one that knows the best class, and nothing about where it is.
LIES = "found.evidence.data.fill(0);"
# A true one that is lost once it is in use: it has been run twice alone, and three times in turns.
IS_LOST = 'if (runs > 5) throw new Error("A valid external Instance reference no longer exists.");'


@pytest.fixture(scope="module")
def address(small: str) -> str:
    """What runs the networks is asked here, not what they say."""
    return small


@pytest.fixture(scope="module")
def graphics(playwright: Any) -> Iterator[Any]:
    """A browser with a graphics card, which a program plays."""
    flags = [each for each in FLAGS if each != "--disable-gpu"]
    flags += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    try:
        yield browser
    finally:
        browser.close()


def compared(visit: Visit, folder: Path) -> str:
    """Show a picture, ask how the page runs, and wait until it has measured it."""
    cv2.imwrite(str(folder / "scene.png"), camera_scene())
    visit.choose_picture(folder / "scene.png")
    if not visit.run("async () => Boolean(await navigator.gpu?.requestAdapter())"):
        pytest.skip("this Chromium plays no graphics card")
    visit.page.click("#engine summary")
    visit.page.wait_for_selector("#engine[data-compared]")
    return visit.text("#engine-lines")


def test_the_graphics_card_is_measured_beside_what_runs(
    graphics: Any, small: str, tmp_path: Path
) -> None:
    with visiting(graphics, small) as visit:
        said = compared(visit, tmp_path)
        assert "WebAssembly with one thread, " in said
        assert "WebGPU, " in said
        assert said.count(" ms for a picture") == 2


def test_a_fast_engine_that_lies_about_the_places_is_not_used(
    graphics: Any, small: str, copy: Copy, tmp_path: Path
) -> None:
    folder, address = copy("lies", of="small")
    replaced(folder / "runtime" / "ort.jspi.min.mjs", _ENGINE.replace("DOES", LIES).encode())
    with visiting(graphics, address) as visit:
        said = compared(visit, tmp_path)
        assert "WebGPU computes other numbers for this network here, and is not used" in said
        assert "In use: WebAssembly" in said


def test_webassembly_goes_on_when_the_graphics_card_is_lost(
    graphics: Any, small: str, copy: Copy, tmp_path: Path
) -> None:
    folder, address = copy("lost", of="small")
    runtime = folder / "runtime"
    (runtime / "true.mjs").write_bytes((runtime / "ort.wasm.min.mjs").read_bytes())
    replaced(runtime / "ort.wasm.min.mjs", _SLOW.encode())
    engine = _ENGINE.replace("DOES", IS_LOST).replace("ort.wasm.min.mjs", "true.mjs")
    replaced(runtime / "ort.jspi.min.mjs", engine.encode())
    with visiting(graphics, address) as visit:
        assert "In use: WebGPU" in compared(visit, tmp_path)
        before = visit.run("() => [...liveGradcam.session.shown.explanation.scores]")
        visit.run("() => liveGradcam.session.renew()")
        visit.wait_for_text("#engine-lines", "The graphics card was lost; WebAssembly goes on.")
        visit.wait_until("!liveGradcam.session.busy")
        assert "In use: WebAssembly" in visit.text("#engine-lines")
        after = visit.run("() => [...liveGradcam.session.shown.explanation.scores]")
        assert after == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ("() => {}", True),
        ("(other) => { other.evidence = other.evidence.map((each) => 1.01 * each); }", True),
        ("(other) => other.evidence.fill(0)", False),
        ("(other) => { other.evidence = other.evidence.map((each) => -each); }", False),
        ("(other) => { other.evidence = other.evidence.map((each) => 2 * each); }", False),
        ("(other) => { other.evidence[70] = NaN; }", False),
        ("(other) => { other.scores[1] += 0.1; }", False),
        ("(other) => { other.scores[1] = NaN; }", False),
    ],
    ids=["same", "half precision", "zeros", "sign", "scale", "nan", "score", "nan in scores"],
)
def test_engines_agree_only_where_they_say_the_same(
    visit: Visit, change: str, *, agrees: bool
) -> None:
    """The evidence is small, as it is in large maps: no fixed tolerance sees that it is gone."""
    found = visit.run(
        f"""async () => {{
          const {{ agree }} = await import("./js/comparing.js");
          const answer = () => ({{
            scores: Float32Array.of(0.5, 2.5, -1.5),
            evidence: Float32Array.from({{ length: 147 }}, (_, place) => 0.01 * Math.sin(place)),
            maps: 3, classes: null, rows: 7, columns: 7,
          }});
          const other = answer();
          ({change})(other);
          return agree(answer(), other);
        }}"""
    )
    assert found is agrees
