"""Every precision that pages are exported in runs in the browser, and says what Python says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.images import read_image
from live_gradcam.native import cv2
from live_gradcam.site import write_site
from live_gradcam.site.runtime import Runtime
from live_gradcam.values import Image
from tests.exports.support import SIDE, small_classifier
from tests.site.conftest import Host

from .test_page_offline import hosted
from .visits import Visit, visiting

EXPLAIN = """async ([pixels, width, height]) => {
  const found = await liveGradcam.explainPixels(Uint8Array.from(pixels), width, height);
  const { data, rows, columns } = found.evidence;
  return { scores: [...found.scores], maps: [...data], shape: [-1, rows, columns] };
}"""

onnxruntime = pytest.importorskip("onnxruntime", reason="the comparison needs it")

Answer = tuple[NDArray[np.float32], NDArray[np.float32]]


def asked(visit: Visit, pixels: Image) -> Answer:
    """Scores and maps of the network's pixels, BGR, in the browser."""
    height, width = pixels.shape[:2]
    rgb = pixels[..., ::-1].ravel().tolist()
    found = visit.run(EXPLAIN, [rgb, width, height])
    return (
        np.array(found["scores"], np.float32),
        np.array(found["maps"], np.float32).reshape(found["shape"]),
    )


def expected(graph: Path, pixels: Image) -> Answer:
    """The same in Python."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rgb = np.ascontiguousarray(pixels[None, ..., ::-1])
    scores, maps = session.run(["scores", "evidence"], {"pixels": rgb})
    return scores[0], maps[0]


def cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    return float((ours * theirs).sum()) / lengths if lengths else 1.0


def test_a_page_in_eight_bits_says_what_the_network_in_float32_says(
    visit: Visit, host: Host
) -> None:
    """That is what the command writes for the network in the box."""
    for path in sorted((host.folder / "site" / "examples").glob("*.jpg")):
        shown_whole = cv2.resize(read_image(path), (224, 224), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(shown_whole, np.uint8)
        scores, maps = asked(visit, pixels)
        for name in ("site", "exact"):
            said, shown = expected(host.folder / name / "graph.onnx", pixels)
            best = int(said.argmax())
            assert int(scores.argmax()) == best
            assert cosine(maps[best], shown[best]) >= 0.99


def test_a_page_in_half_precision_without_examples_waits_for_a_picture(
    chromium: Any, web_runtime: Runtime, tmp_path: Path
) -> None:
    """That is what the command writes for a network of one's own."""
    written = write_site(tmp_path / "page", small_classifier("pooled"), runtime=web_runtime)
    assert written.exported.metadata.precision == "fp16"
    assert written.examples == ()
    pixels = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    with (
        hosted(tmp_path / "page") as server,
        visiting(chromium, server.address) as visit,
    ):
        scores, maps = asked(visit, pixels)
    said, shown = expected(tmp_path / "page" / "graph.onnx", pixels)
    # Half precision has 11 bits: each of the few layers rounds by 2^-11 of what it gives.
    for ours, theirs in ((scores, said), (maps, shown)):
        assert np.abs(ours - theirs).max() <= 8 * 2**-11 * np.abs(theirs).max()
