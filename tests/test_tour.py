"""The notebook for lessons: small as it is kept, true when it is run from top to bottom."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
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
from scripts.tour import with_weights
from tests.helpers.notebooks import cell_of, make_kernel, printed, run_notebook

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
    "same": same, "exchanged": exchanged, "after": after, "mended": mended,
    "W": taught.head.weight.tolist(), "b": taught.head.bias.tolist(),
    "taught": [kept[0].tolist(), recalled[0].predictions[0].logit],
    "names": [taught.labels, [each.labels[0] for each in recalled]],
}))
"""

Execute = Callable[[Any, Path], subprocess.CompletedProcess[str]]


def read_tour() -> Any:
    return nbformat.read(TOUR, as_version=4)


def pictures(cell: Any) -> list[Image.Image]:
    """Every picture among a cell's outputs."""
    found = [output.data for output in cell.outputs if "data" in output]
    encoded = [data.get("image/png") or data.get("image/jpeg") for data in found]
    return [Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB") for each in encoded]


@pytest.fixture(scope="module")
def execute(tmp_path_factory: pytest.TempPathFactory) -> Execute:
    """Runs a notebook in a kernel of this very interpreter, without weights in any cache."""
    folder = tmp_path_factory.mktemp("jupyter")
    variables = {
        **make_kernel(folder),
        "TORCH_HOME": str(folder / "torch"),
        **{name: "http://127.0.0.1:9" for name in ("https_proxy", "HTTPS_PROXY")},
    }
    return lambda notebook, path: run_notebook(notebook, path, variables)


@pytest.fixture(scope="module")
def weights() -> Path | None:
    """The weights of the photograph's network, where they are on this machine."""
    path = ROOT.parent / "shared" / "weights" / "squeezenet1_1-imagenet.pth"
    return path if path.is_file() else None


@pytest.fixture(scope="module")
def executed(
    execute: Execute, weights: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    notebook = with_weights(read_tour(), weights)
    notebook.cells.append(nbformat.v4.new_code_cell(VALUES, id="values"))
    path = tmp_path_factory.mktemp("tour") / "tour.ipynb"
    done = execute(notebook, path)
    assert done.returncode == 0, done.stderr
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def values(executed: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(cell_of(executed, "values")))
    return found


def test_it_is_a_valid_notebook_with_readable_ids() -> None:
    notebook = read_tour()
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)
    names = [each.id for each in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_it_is_kept_small_and_without_traces_of_whoever_ran_it() -> None:
    text = TOUR.read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    kept = json.loads(text)
    assert kept["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for each in kept["cells"]:
        assert each["metadata"] == {}
    written = [line for line in text.splitlines() if len(line) < 1000]
    assert not re.search(r"/home/|/root|/tmp|/work|\.py:\d", "\n".join(written))
    assert with_weights(read_tour(), None) == read_tour()  # no file of whoever ran it


def test_it_ships_with_the_outputs_that_it_has(executed: Any, weights: Path | None) -> None:
    """The same words, with other roundings of the last digits; the same pictures."""
    kept = {each.id: each for each in read_tour().cells if each.cell_type == "code"}
    for each in executed.cells:
        if each.cell_type != "code" or each.id == "values":
            continue
        if each.id.startswith("photograph") and weights is None:
            continue
        ours = kept[each.id]
        assert ours.execution_count == each.execution_count
        assert words(printed(ours)) == words(printed(each)), each.id
        for one, other in zip(pictures(ours), pictures(each), strict=True):
            assert one.size == other.size
            few = [np.asarray(image.resize((32, 32)), np.float32) for image in (one, other)]
            assert np.abs(few[0] - few[1]).mean() < 4, each.id


def words(text: str) -> str:
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", text)


def test_it_uses_public_names_only() -> None:
    code = "\n".join(each.source for each in read_tour().cells if each.cell_type == "code")
    assert "from live_gradcam" not in code
    assert set(re.findall(r"\blg\.(\w+)", code)) <= set(lg.__all__)


def test_without_a_connection_one_sentence_stands_in_the_photographs_place(
    execute: Execute, tmp_path: Path
) -> None:
    notebook = read_tour()
    notebook.cells = [
        each
        for each in notebook.cells
        if each.id == "setup" or (each.id.startswith("photograph") and each.cell_type == "code")
    ]
    path = tmp_path / "offline.ipynb"
    done = execute(notebook, path)
    assert done.returncode == 0, done.stderr
    said = printed(cell_of(nbformat.read(path, as_version=4), "photograph"))
    assert said.startswith("This section is left out: cannot download the weights of squeezenet1_1")
    assert said.count("\n") == 1


def test_it_is_written_for_reading() -> None:
    notebook = read_tour()
    text = "\n".join(each.source for each in notebook.cells if each.cell_type == "markdown")
    assert re.findall(r"^## (\d+)\.", text, re.MULTILINE) == [str(n) for n in range(1, 17)]
    assert text.count("> **Think.**") >= 8
    code = [each.source.splitlines() for each in notebook.cells if each.cell_type == "code"]
    assert max(map(len, code)) <= 34


def test_every_cell_runs_and_nothing_complains(executed: Any) -> None:
    code = [each for each in executed.cells if each.cell_type == "code"]
    assert [each.execution_count for each in code] == list(range(1, len(code) + 1))
    for each in code:
        for output in each.outputs:
            assert output.output_type in ("stream", "display_data", "execute_result"), each.id
            assert output.get("name") != "stderr", output.get("text")


def test_every_figure_shows_something(executed: Any, weights: Path | None) -> None:
    for each in executed.cells:
        if each.cell_type != "code" or "plt.show()" not in each.source:
            continue
        if each.id.startswith("photograph") and weights is None:
            continue
        (shown,) = pictures(each)
        figure = np.asarray(shown.convert("L"))
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


def test_what_was_taught_goes_by_the_wall_until_walls_change(values: dict[str, Any]) -> None:
    """Right about all that looks like what it was shown, and no better than guessing elsewhere."""
    (right, on_badge), (guessed, _) = values["same"], values["exchanged"]
    assert right == 1
    assert guessed < 0.7
    assert values["mended"][0] > guessed
    assert values["after"][1] > on_badge
    # The head is a linear one on the means that the chapter speaks of.
    labels, answers = values["names"]
    assert labels == ["ours", "theirs"]
    assert answers == ["ours"] * 8 + ["theirs"] * 8
    features, logit = values["taught"]
    assert np.dot(values["W"][0], features) + values["b"][0] == pytest.approx(logit, abs=1e-3)


def test_what_is_printed_beside_a_claim_is_its_number(executed: Any) -> None:
    weights = printed(cell_of(executed, "weights"))
    found = re.search(r"autograd and the closed form: (\S+)", weights)
    assert found is not None
    assert float(found[1]) < 1e-7
    residual = re.search(r"residual: (\S+)", printed(cell_of(executed, "complete")))
    assert residual is not None
    assert float(residual[1]) < 1e-4


def test_a_wrong_formula_does_not_pass(execute: Execute, tmp_path: Path) -> None:
    notebook = read_tour()
    names = [each.id for each in notebook.cells]
    notebook.cells = notebook.cells[: names.index("weights") + 1]
    notebook.cells = [each for each in notebook.cells if not each.id.endswith("-figure")]
    weights = cell_of(notebook, "weights")
    assert "W[c] / (h * w)" in weights.source
    weights.source = weights.source.replace("W[c] / (h * w)", "W[c] / (h + w)")
    done = execute(notebook, tmp_path / "wrong.ipynb")
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
