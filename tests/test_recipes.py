"""Every recipe runs: the service answers, the page shows, the loop ends, the logs can be read."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam.images.read import read_image
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.show.images import write_image
from tests.helpers.notebooks import cell_of, make_kernel, printed, run_notebook
from tests.helpers.screen import HAS_SCREEN, VirtualScreen

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / ".github" / "recipes"


def recipe(name: str) -> ModuleType:
    """Import a recipe."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A picture of a house and a triangle."""
    path = tmp_path / "house.png"
    write_image(path, render_scene(14, width=640, height=480, objects=2).image)
    return path


def test_each_recipe_is_listed_short_and_tested() -> None:
    listed = set(re.findall(r"\]\((\w+\.\w+)\)", (RECIPES / "README.md").read_text("utf-8")))
    there = {path.name for path in RECIPES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert listed == there
    tests = Path(__file__).read_text("utf-8")
    for name in there:
        assert name.partition(".")[0] in tests
        assert len((RECIPES / name).read_text("utf-8").splitlines()) < 110
    assert "(.github/recipes)" in (ROOT / "README.md").read_text("utf-8")


# FastAPI


def test_the_service_answers_with_json_a_picture_or_what_is_wrong(house: Path) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    with testclient.TestClient(recipe("fastapi_endpoint").app) as client:
        files = {"picture": house.read_bytes()}
        told = client.post("/explain", files=files)
        drawn = client.post("/overlay?of=triangle", files=files)
        broken = client.post("/explain", files={"picture": b"no picture"})
        unknown = client.post("/explain?of=hous3", files=files)
    assert told.status_code == 200
    explanation = lg.Explanation.from_dict(told.json())
    assert explanation.predictions[0].label == "house"
    assert explanation.heatmap().shape == (480, 640)
    assert drawn.headers["content-type"] == "image/png"
    assert Pillow.open(io.BytesIO(drawn.content)).size == (640, 480)
    for answer, said in ((broken, "cannot read picture"), (unknown, "Closest: house")):
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


# Streamlit


def test_the_page_explains_an_upload(house: Path) -> None:
    testing = pytest.importorskip("streamlit.testing.v1")
    page = testing.AppTest.from_file(str(RECIPES / "streamlit_page.py"), default_timeout=240).run()
    assert not page.exception
    assert "drawing" in page.info[0].value
    page.get("file_uploader")[0].set_value(("house.png", house.read_bytes(), "image/png")).run()
    assert not page.exception
    assert not page.info
    assert len(page.get("image")) == 1
    assert page.get("progress")[0].text == "house"
    page.selectbox[0].select("triangle").run()
    page.slider[0].set_value(0.2).run()
    assert not page.exception
    assert len(page.get("image")) == 1


# The notebook with sliders

_MOVED = """
before = shown.value
controls["opacity"].value = 0.1
faint = shown.value
controls["of"].value = "circle"
import numpy as np
sizes = [cv2.imdecode(np.frombuffer(each, np.uint8), 1).shape for each in (before, faint)]
print(before != faint, faint != shown.value, sizes[0] == sizes[1] == picture.shape)
"""


def test_the_sliders_draw_again(tmp_path: Path) -> None:
    pytest.importorskip("ipywidgets")
    notebook = nbformat.read(RECIPES / "notebook_sliders.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(_MOVED, id="moved"))
    path = tmp_path / "sliders.ipynb"
    done = run_notebook(notebook, path, make_kernel(tmp_path / "jupyter"))
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(path, as_version=4)
    assert printed(cell_of(executed, "moved")) == "True True True\n"
    shown = cell_of(executed, "explain").outputs[0].data
    assert {"text/html", "image/png", "text/plain"} <= set(shown)


# A loop with OpenCV


@pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")
def test_the_loop_shows_every_frame_of_a_film(tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for seed in range(5):
        writer.write(render_scene(seed, width=320, height=240).image)
    writer.release()
    with VirtualScreen(800, 600) as screen:
        done = subprocess.run(
            [sys.executable, str(RECIPES / "opencv_loop.py"), str(film)],
            env=screen.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.stdout.splitlines()[-1:] == ["5 frames"], done.stderr


# joblib


def test_a_folder_is_explained_by_several_processes(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(3):
        image = render_scene(100 + seed, width=320, height=240, objects=1).image
        write_image(pictures / f"{seed}.png", image)
    (pictures / "broken.png").write_bytes(b"no picture")
    code = f"""
import sys
sys.path.insert(0, {str(RECIPES)!r})
from pathlib import Path
import joblib_folder
if __name__ == "__main__":
    joblib_folder.main(Path("pictures"), Path("explained"), jobs=2)
"""
    (tmp_path / "run.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(RECIPES)])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "explained" / "seen.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["0.png", "1.png", "2.png", "broken.png"]
    explainer = lg.Explainer(lg.load_classifier("scenes"), compile="off")
    for row in rows[:3]:
        explanation = explainer.explain(pictures / row["file"])
        assert row["label"] == explanation.predictions[0].label
        assert 0 < float(row["share with evidence"]) < 1
        drawn = read_image(tmp_path / "explained" / row["file"])
        # Another number of threads adds in another order: a colour may be one step off.
        assert np.abs(drawn.astype(int) - explanation.overlay()).mean() < 0.5
    assert "cannot read picture" in rows[3]["error"]


# TensorBoard


def test_maps_are_in_the_logs_of_a_training(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    recipe("tensorboard_callback").main(tmp_path / "runs", epochs=3)
    events = reader.EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    assert sorted(events.Tags()["images"]) == ["evidence/0", "evidence/1"]
    for tag in ("evidence/0", "evidence/1"):
        logged = events.Images(tag)
        assert [each.step for each in logged] == [0, 1, 2]
        image = Pillow.open(io.BytesIO(logged[0].encoded_image_string))
        assert image.size == (64, 64)
        assert logged[0].encoded_image_string != logged[2].encoded_image_string
    for tag in ("logit/0", "logit/1"):
        values = [each.value for each in events.Scalars(tag)]
        assert values[2] > values[0]  # it learns


def test_the_network_is_explained_with_the_colours_it_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setattr(lg, "Explainer", partial(lg.Explainer, precision="fp32"))
    learned: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def watch(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Sequential) and module.training:
            learned.append((module, given[0]))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        recipe("tensorboard_callback").main(tmp_path / "runs", epochs=2)
    finally:
        hook.remove()
    network, batch = learned[-1]
    logits = network(batch).detach()
    events = reader.EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    for picture in (0, 1):
        last = events.Scalars(f"logit/{picture}")[-1].value
        assert last == pytest.approx(
            float(logits[picture, picture]), rel=1e-4
        )  # float32, and another order


# FiftyOne


def test_fiftyones_labels_are_plain_values(house: Path) -> None:
    module = recipe("fiftyone_heatmaps")
    explainer = lg.Explainer(lg.load_classifier("scenes"), compile="off")
    explanation = explainer.explain(house)
    fields = module.label_fields(explanation)
    heat = fields["evidence"]["map"]
    assert heat.dtype == np.uint8
    assert heat.shape == (192, 256)
    assert fields["evidence"]["range"] == [0, 255]
    large = cv2.resize(heat, (640, 480), interpolation=cv2.INTER_LINEAR) / 255
    assert np.abs(large - explanation.heatmap()).mean() < 0.01
    assert fields["prediction"]["label"] == "house"
    assert 0.4 < fields["prediction"]["confidence"] < 1


def test_fiftyone_takes_them(house: Path) -> None:
    fiftyone = pytest.importorskip("fiftyone")
    explainer = lg.Explainer(lg.load_classifier("scenes"), compile="off")
    fields = recipe("fiftyone_heatmaps").label_fields(explainer.explain(house))
    label = fiftyone.Heatmap(**fields["evidence"])
    np.testing.assert_array_equal(label.map, fields["evidence"]["map"])
    assert fiftyone.Classification(**fields["prediction"]).label == "house"
