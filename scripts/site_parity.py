"""How far the page without a server is from Python, on photographs with real weights.

    python scripts/site_parity.py                    # fp32, fp16, int8, into build/
    python scripts/site_parity.py --precision fp32   # one of them

Each photograph of ``../shared/media/images`` is explained twice in Chromium, by a page that was
exported for SqueezeNet 1.1: once from the very pixels that Python gives the network, once from the
file, as a visitor gives it to the page, so that decoding and resampling take part. The first is
compared with the network in torch, and with the page's own graph run by onnxruntime in Python: what
differs there is the browser's engine alone. The same graph in onnxruntime is compared with torch as
well: what differs there does so without any browser. The second is compared with what
``live-gradcam run`` records. An int8 graph is calibrated on the other half of the photographs than
it is measured on: on five cuttings of each, half of them mirrored, so that there are enough; it is
kept whatever `live-gradcam export` would say about it, and what was measured then is printed.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

from live_gradcam.choices import ExportPrecision
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.exports.pictures import network_pixels
from live_gradcam.images import read_image
from live_gradcam.site.folder import GRAPH, write_site
from live_gradcam.site.runtime import obtain_runtime
from live_gradcam.site.server import serving_site
from live_gradcam.values import Image

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
RESULTS = ROOT / "build" / "site_parity.json"

_WEIGHTS = "squeezenet1_1-imagenet.pth"
_PATIENCE_MS = 300_000
_CUTS = 5
_TOP = 3
# Binary over the wire of the debugger: arrays of numbers would be texts of many megabytes.
_WRITTEN = """
const written = (array) => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
};
const answer = ({ scores, evidence }) => ({
  scores: written(scores),
  evidence: written(evidence.data),
  shape: [-1, evidence.rows, evidence.columns],
});
"""
_PIXELS = f"""async ([text, width, height]) => {{
  {_WRITTEN}
  const pixels = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  return answer(await liveGradcam.explainPixels(pixels, width, height));
}}"""
_SHOWN = f"""() => {{
  {_WRITTEN}
  return answer(liveGradcam.session.shown.explanation);
}}"""


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences of a page's answers to Python's, over all photographs.

    Attributes:
        photographs: Their number.
        same_best: Photographs with the same best class.
        scores: Largest difference of two scores, in logits.
        maps: Largest difference of two maps of one of Python's three best classes, in logits.
        all_maps: The same of any class.
        median_cosine: Of the maps of Python's best class.
        worst_cosine: The smallest.
    """

    photographs: int
    same_best: int
    scores: float
    maps: float
    all_maps: float
    median_cosine: float
    worst_cosine: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Scores ``(classes,)`` and maps ``(classes, h, w)`` of one photograph, in logits.

    Scores that were not asked for are minus infinity.
    """

    scores: NDArray[np.float32]
    maps: NDArray[np.float32]


def read_answer(content: dict[str, Any]) -> Answer:
    """Read what the page's script wrote."""
    scores, maps = (
        np.frombuffer(base64.b64decode(content[name]), np.float32)
        for name in ("scores", "evidence")
    )
    return Answer(scores, maps.reshape(content["shape"]))


def compare(pairs: Sequence[tuple[Answer, Answer]]) -> Parity:
    """Compare answers of the page with Python's; each pair is the page's and Python's."""
    scores, maps, every, cosines, same = [], [], [], [], 0
    for found, expected in pairs:
        best, *others = np.argsort(-expected.scores)[:_TOP].tolist()
        same += int(found.scores.argmax()) == best
        asked = np.isfinite(expected.scores)
        scores.append(float(np.abs(found.scores - expected.scores)[asked].max()))
        apart = np.abs(found.maps - expected.maps).max((1, 2))
        maps.append(float(apart[[best, *others]].max()))
        every.append(float(apart.max()))
        ours, theirs = (each.maps[best].astype(np.float64) for each in (found, expected))
        lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
        cosines.append(float((ours * theirs).sum()) / lengths if lengths else 0.0)
    return Parity(
        photographs=len(pairs),
        same_best=same,
        scores=max(scores),
        maps=max(maps),
        all_maps=max(every),
        median_cosine=float(np.median(cosines)),
        worst_cosine=min(cosines),
    )


def network_answers(classifier: Classifier, pixels: Image) -> list[Answer]:
    """Explain the network's pixels, RGB, in torch: all classes."""
    network = FusedNetwork(classifier, "fp32")
    every = torch.arange(classifier.class_count)
    answers = []
    for each in pixels:
        bgr = torch.from_numpy(np.ascontiguousarray(each[None, ..., ::-1]))
        with torch.no_grad():
            scores, _, maps, _ = network(bgr, every)
        answers.append(Answer(scores[0].numpy(), maps[0].numpy()))
    return answers


def run_answers(classifier: Classifier, photographs: Sequence[Path]) -> list[Answer]:
    """Explain the files as ``live-gradcam run`` does: all classes."""
    answers = []
    with Explainer(classifier, device="cpu", compile="off", engine="torch") as explainer:
        for path in photographs:
            found = explainer.explain(path, classes="all")
            scores = np.full(classifier.class_count, -np.inf, np.float32)
            for each in found.predictions:
                scores[each.class_index] = each.logit
            answers.append(Answer(scores, found.evidence))
    return answers


def graph_answers(graph: Path, pixels: Image) -> list[Answer]:
    """Explain the network's pixels, RGB, with the page's own graph in Python."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers = []
    for each in pixels:
        scores, maps = session.run(["scores", "evidence"], {"pixels": each[None]})
        answers.append(Answer(scores[0], maps[0]))
    return answers


def cuttings(images: Sequence[Image]) -> list[Image]:
    """Return several parts of each picture, every other one mirrored: more of the same kind."""
    random = np.random.default_rng(0)
    parts = []
    for image in images:
        height, width = image.shape[:2]
        for place in range(_CUTS):
            rows, columns = (round(side * random.uniform(0.6, 1.0)) for side in (height, width))
            top, left = (
                random.integers(0, height - rows + 1),
                random.integers(0, width - columns + 1),
            )
            part = image[top : top + rows, left : left + columns]
            parts.append(np.ascontiguousarray(part[:, ::-1] if place % 2 else part))
    return parts


@contextmanager
def opened(folder: Path) -> Iterator[Page]:
    """Open an exported page in Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with serving_site(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            page.goto(address)
            page.locator("body:is([data-state=ready], [data-state=explained])").wait_for()
            yield page
        finally:
            browser.close()


def ask(
    page: Page, photographs: Sequence[Path], pixels: Image
) -> tuple[list[Answer], list[Answer]]:
    """Give photographs to the page: the network's pixels of each, and each as a file."""
    from_pixels, from_files = [], []
    for path, each in zip(photographs, pixels, strict=True):
        text = base64.b64encode(each.tobytes()).decode()
        height, width = each.shape[:2]
        from_pixels.append(read_answer(page.evaluate(_PIXELS, [text, width, height])))
        page.set_input_files("#picture-file", str(path))
        name = json.dumps(path.name)
        while not page.evaluate(f"liveGradcam.session.shown?.name === {name}"):
            page.wait_for_timeout(50)
        from_files.append(read_answer(page.evaluate(_SHOWN)))
    return from_pixels, from_files


def measure(
    classifier: Classifier, photographs: Sequence[Path], precision: ExportPrecision, folder: Path
) -> dict[str, Parity]:
    """Export a page in a precision, and compare its answers with Python's."""
    runtime = obtain_runtime()
    same_pixels: list[tuple[Answer, Answer]] = []
    same_graph: list[tuple[Answer, Answer]] = []
    without_browser: list[tuple[Answer, Answer]] = []
    whole_page: list[tuple[Answer, Answer]] = []
    halves = [photographs[::2], photographs[1::2]]
    parts = (
        [(photographs, [])]
        if precision != "int8"
        else [(halves[0], halves[1]), (halves[1], halves[0])]
    )
    for number, (measured, others) in enumerate(parts):
        place = folder / f"{precision}-{number}"
        done = write_site(
            place,
            classifier,
            runtime=runtime,
            precision=precision,
            classes="all",
            calibrate=cuttings([read_image(path) for path in others]),
            force=True,
            on_notice=lambda text: print(text, file=sys.stderr),
        )
        images = [read_image(path) for path in measured]
        pixels = network_pixels(images, classifier.preprocessing)
        with opened(place) as page:
            from_pixels, from_files = ask(page, measured, pixels)
        print(f"{precision}, as exported: {done.exported.fidelity.describe(precision)}")
        in_torch = network_answers(classifier, pixels)
        in_python = graph_answers(place / GRAPH, pixels)
        same_pixels += zip(from_pixels, in_torch, strict=True)
        same_graph += zip(from_pixels, in_python, strict=True)
        without_browser += zip(in_python, in_torch, strict=True)
        whole_page += zip(from_files, run_answers(classifier, measured), strict=True)
    return {
        "same pixels": compare(same_pixels),
        "same graph": compare(same_graph),
        "without a browser": compare(without_browser),
        "whole page": compare(whole_page),
    }


def main() -> None:
    """Measure, print a table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names: tuple[ExportPrecision, ...] = ("fp32", "fp16", "int8")
    parser.add_argument("--precision", choices=names, action="append")
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--most", type=int, default=40, help="number of photographs")
    options = parser.parse_args()
    photographs = sorted((options.shared / "media" / "images").glob("*.jpg"))[: options.most]
    weights = options.shared / "weights" / _WEIGHTS
    if not photographs or not weights.is_file():
        sys.exit(f"there are no photographs and weights in {options.shared}")
    classifier = load_classifier("squeezenet1_1", weights=weights)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in options.precision or names:
            found = measure(classifier, photographs, precision, Path(folder))
            results[precision] = {name: asdict(each) for name, each in found.items()}
            for name, each in found.items():
                print(
                    f"{precision}, {name}: best class the same in {each.same_best} of "
                    f"{each.photographs}, scores within {each.scores:.2g}, maps within "
                    f"{each.maps:.2g} logits (of any class {each.all_maps:.2g}), map cosine "
                    f"{each.median_cosine:.5f} (median), "
                    f"{each.worst_cosine:.5f} (worst)",
                    flush=True,
                )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
