"""The page explains by a taught file, which names its network by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import live_gradcam as lg
from live_gradcam.explain.pooled import count_features, with_linear_head
from live_gradcam.native import cv2
from tests.web.conftest import PATIENCE, Page, free_port


def test_a_taught_file_needs_no_model(tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    base = lg.load_classifier("scenes")
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, count_features(base), generator=generator)
    taught = with_linear_head(base, weight, torch.zeros(2), ("mug", "茶壶"))
    lg.save_taught(taught, tmp_path / "mugs.safetensors")
    picture = tmp_path / "scene.png"
    cv2.imwrite(str(picture), lg.render_scene(3).image)
    with lg.Explainer(taught, compile="off", engine="torch", precision="fp32") as explainer:
        best = explainer.explain(picture).predictions[0]
    given = ["--weights", str(tmp_path / "mugs.safetensors"), "--precision", "fp32"]
    plain = ["--no-open", "--compile", "off", "--engine", "torch", "--port", str(free_port())]
    page = Page.start(["-m", "live_gradcam", "web", *plain, *given])
    try:
        patient = {"timeout": PATIENCE}
        client = Client(page.address, verbose=False, download_files=False, httpx_kwargs=patient)
        label, probabilities, *_ = client.predict(image=handle_file(picture), api_name="/explain")
        client.close()
    finally:
        page.stop()
    assert label == best.label
    assert set(probabilities) == {"mug", "茶壶"}
    assert probabilities[label] == pytest.approx(best.probability, abs=1e-4)
