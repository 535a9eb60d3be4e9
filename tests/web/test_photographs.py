"""Real photographs with real weights, through the page's interface as the README shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from tests.web.conftest import PATIENCE, Page, free_port

PHOTOGRAPHS = ("teapot", "zebra", "fire_engine", "tennis_ball", "snail")


def test_the_page_says_what_run_says(
    shared: Path, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    from gradio_client import Client, handle_file

    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    network = ["--model", "squeezenet1_1", "--weights", str(weights)]
    exact = ["--precision", "fp32", "--compile", "off"]
    paths = [shared / "media" / "images" / f"{name}.jpg" for name in PHOTOGRAPHS]
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in paths:
        (folder / path.name).symlink_to(path)
    done = command("run", folder, "-o", "-", *network, *exact, "--quiet")
    assert done.returncode == 0, done.stderr
    records = {each["source"]: each for each in map(json.loads, done.stdout.splitlines())}

    classifier = load_classifier("squeezenet1_1", weights=weights)
    page = Page.start(
        ["-m", "live_gradcam", "web", "--no-open", "--port", str(free_port()), *network, *exact]
    )
    try:
        patient = {"timeout": PATIENCE}
        client = Client(page.address, verbose=False, download_files=False, httpx_kwargs=patient)
        with Explainer(classifier, precision="fp32", compile="off") as explainer:
            for path in paths:
                label, probabilities, evidence, _ = client.predict(
                    image=handle_file(path), api_name="/explain"
                )
                best = records[path.name]["predictions"][0]
                assert label == best["label"]
                assert probabilities[label] == pytest.approx(best["probability"], abs=1e-4)
                explanation = explainer.explain(path)
                np.testing.assert_allclose(
                    np.asarray(evidence), explanation.evidence[0], rtol=0, atol=1e-4
                )
        client.close()
    finally:
        page.stop()
