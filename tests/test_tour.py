"""The notebook for lessons: clean as it is kept, true when it is run from top to bottom."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image

import live_gradcam as lg
from live_gradcam.explain.layers import at_layer
from live_gradcam.scenes import render_scene

ROOT = Path(__file__).resolve().parent.parent
TOUR = ROOT / "scripts" / "tour.ipynb"

# Read out of the notebook's own kernel after its last cell.
VALUES = """
import json
print(json.dumps({
    "M": M.tolist(), "score": y[0, c].item(), "sum_and_bias": (M.sum() + b[c]).item(),
    "gradcam3": maps["layer3"]["gradcam"].tolist(),
    "hirescam3": maps["layer3"]["hirescam"].tolist(),
    "before": before, "without_hot": without_hot, "controls": controls.tolist(),
    "correlations": {part: values.tolist() for part, values in correlations.items()},
}))
"""

Execute = Callable[[Any, Path], subprocess.CompletedProcess[str]]


def read_tour() -> Any:
    return nbformat.read(TOUR, as_version=4)


def cell(notebook: Any, name: str) -> Any:
    return next(each for each in notebook.cells if each.id == name)


def printed(executed: Any) -> str:
    return "".join(each.text for each in executed.outputs if each.output_type == "stream")


@pytest.fixture(scope="module")
def execute(tmp_path_factory: pytest.TempPathFactory) -> Execute:
    """Runs a notebook as ``jupyter execute`` does, in a kernel of this very interpreter.

    In a process of its own, because the client's threads and sockets outlive the notebook, and with
    folders of its own, because a user's kernels and settings are no part of the test.
    """
    folder = tmp_path_factory.mktemp("jupyter")
    own = folder / "kernels" / "own"
    own.mkdir(parents=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": start, "display_name": "own", "language": "python"}
    (own / "kernel.json").write_text(json.dumps(described), encoding="utf-8")
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONUTF8": "1",
    }

    def run(notebook: Any, path: Path) -> subprocess.CompletedProcess[str]:
        nbformat.write(notebook, path)
        words = ["execute", "--inplace", "--kernel_name=own", "--timeout=120", str(path)]
        return subprocess.run(
            [sys.executable, "-m", "jupyter", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=280,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def executed(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = read_tour()
    notebook.cells.append(nbformat.v4.new_code_cell(VALUES, id="values"))
    path = tmp_path_factory.mktemp("tour") / "tour.ipynb"
    done = execute(notebook, path)
    assert done.returncode == 0, done.stderr
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def values(executed: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(cell(executed, "values")))
    return found


def test_it_is_a_valid_notebook_with_readable_ids() -> None:
    notebook = read_tour()
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)
    names = [each.id for each in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_it_is_kept_without_outputs_and_without_traces_of_whoever_ran_it() -> None:
    kept = json.loads(TOUR.read_text(encoding="utf-8"))
    assert kept["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for each in kept["cells"]:
        assert each["metadata"] == {}
        if each["cell_type"] == "code":
            assert each["outputs"] == []
            assert each["execution_count"] is None


def test_it_is_written_for_reading() -> None:
    notebook = read_tour()
    text = "\n".join(each.source for each in notebook.cells if each.cell_type == "markdown")
    assert re.findall(r"^## (\d+)\.", text, re.MULTILINE) == [str(n) for n in range(1, 15)]
    assert text.count("> **Think.**") >= 8
    code = [each.source.splitlines() for each in notebook.cells if each.cell_type == "code"]
    assert max(map(len, code)) <= 32


def test_every_cell_runs_and_nothing_complains(executed: Any) -> None:
    code = [each for each in executed.cells if each.cell_type == "code"]
    assert [each.execution_count for each in code] == list(range(1, len(code) + 1))
    for each in code:
        for output in each.outputs:
            assert output.output_type in ("stream", "display_data"), each.id
            assert output.get("name") != "stderr", output.get("text")


def test_every_figure_shows_something(executed: Any) -> None:
    for each in executed.cells:
        if each.cell_type != "code" or "plt.show()" not in each.source:
            continue
        pictures = [output.data["image/png"] for output in each.outputs if "data" in output]
        assert len(pictures) == 1, each.id
        figure = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("L"))
        assert min(figure.shape) > 200, each.id
        assert figure.std() > 5, each.id


def test_the_map_made_by_hand_is_that_of_the_package(values: dict[str, Any]) -> None:
    classifier = lg.load_classifier("scenes")
    scene = render_scene(14, width=640, height=480, objects=2)
    for cut, name, key in (
        (classifier, "gradcam", "M"),
        (at_layer(classifier, "layer3"), "gradcam", "gradcam3"),
        (at_layer(classifier, "layer3"), "hirescam", "hirescam3"),
    ):
        with lg.Explainer(cut, precision="fp32", compile="off", method=name) as explainer:
            expected = explainer.explain(scene.image, classes="house")
        np.testing.assert_allclose(values[key], expected.evidence[0], atol=1e-4)
    (house,) = [each for each in expected.predictions if each.label == "house"]
    assert values["score"] == pytest.approx(house.logit, abs=1e-3)
    assert values["sum_and_bias"] == pytest.approx(house.logit, abs=1e-3)
    assert values["before"] == pytest.approx(house.probability, abs=1e-3)


def test_the_tests_of_the_map_say_what_the_text_says(values: dict[str, Any]) -> None:
    assert values["without_hot"] < 0.1 * values["before"]
    assert len(values["controls"]) == 20
    assert np.mean(values["controls"]) > 0.8 * values["before"]
    parts = values["correlations"]
    assert list(parts) == ["nothing", "head", "layer4", "layer3", "layer2", "layer1", "conv1"]
    assert parts.pop("nothing") == [1.0] * 12
    assert all(abs(np.mean(each)) < 0.5 for each in parts.values())


def test_what_is_printed_beside_a_claim_is_its_number(executed: Any) -> None:
    weights = printed(cell(executed, "weights"))
    found = re.search(r"autograd and the closed form: (\S+)", weights)
    assert found is not None
    assert float(found[1]) < 1e-7
    residual = re.search(r"residual: (\S+)", printed(cell(executed, "complete")))
    assert residual is not None
    assert float(residual[1]) < 1e-4


def test_a_wrong_formula_does_not_pass(execute: Execute, tmp_path: Path) -> None:
    notebook = read_tour()
    names = [each.id for each in notebook.cells]
    notebook.cells = notebook.cells[: names.index("weights") + 1]
    notebook.cells = [each for each in notebook.cells if not each.id.endswith("-figure")]
    weights = cell(notebook, "weights")
    assert "W[c] / (h * w)" in weights.source
    weights.source = weights.source.replace("W[c] / (h * w)", "W[c] / (h + w)")
    done = execute(notebook, tmp_path / "wrong.ipynb")
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
