"""One picture, one network: the window, the page and the report measure the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.evaluate.evaluation import run_evaluation
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import removal_sentence
from live_gradcam.images.read import read_image
from live_gradcam.pool import pool_beside
from live_gradcam.scenes import render_scene
from live_gradcam.session.request import TruthReading
from live_gradcam.show.images import write_image
from live_gradcam.web.engine import SharedEngine
from live_gradcam.web.images import ImageService
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import ViewSettings
from tests.session.doubles import make_request
from tests.session.test_worker import await_item, working


def in_the_window(explainer: Explainer, picture: Path) -> Removal:
    with (
        open_source(str(picture)) as source,
        working(source, make_request(explainer, truth=True)) as worker,
    ):
        removal = await_item(worker, TruthReading).removal
    assert removal is not None
    return removal


def on_the_page(explainer: Explainer, picture: Path) -> Removal:
    with pool_beside(explainer) as pool, SharedEngine(pool) as engine:
        service = ImageService(engine, Limits())
        opened = service.open("somebody", read_image(picture), picture.name)
        removal = service.removal(opened, ViewSettings())
    assert removal is not None
    return removal


@pytest.mark.parametrize("number", [3, 5])
def test_a_picture_has_the_same_figures_wherever_it_is_tested(number: int, tmp_path: Path) -> None:
    picture = tmp_path / "scene.png"
    write_image(picture, render_scene(number).image)
    classifier = load_classifier("scenes")
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        window = in_the_window(explainer, picture)
        page = on_the_page(explainer, picture)
    options = EvaluationOptions(measures=("removal",), sanity=False, device="cpu", precision="fp32")
    (image,) = run_evaluation(classifier, tmp_path, options).result.images
    report = image.methods["gradcam"]
    # The same areas are hidden. What differs is the number of images in a forward, and by it the
    # order of sums in float32.
    assert window.class_index == page.class_index == report.class_index
    assert [page.drop, report.removal_drop] == pytest.approx([window.drop] * 2, abs=1e-4)
    assert [page.control_drop, report.control_drop] == pytest.approx(
        [window.control_drop] * 2, abs=1e-4
    )
    assert page.control_drops == pytest.approx(window.control_drops, abs=1e-4)
    assert removal_sentence(page) == removal_sentence(window)
