"""An exported file explains as the network does that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.capture.scene import SceneSource
from live_gradcam.choices import View
from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import METHODS
from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.graph.engine import GraphEngine
from live_gradcam.graph.engines import open_engine
from live_gradcam.graph.explainer import CONTRASTING, GraphExplainer
from live_gradcam.graph.metadata import ExplainedClasses
from live_gradcam.graph.only import OnlyExplainer
from live_gradcam.graph.open import open_graph
from live_gradcam.protocol import ClassChoice, ExplainerKey
from live_gradcam.show.images import write_image
from live_gradcam.values import Image
from tests.graph.exported import export_to
from tests.helpers.live import tiny_classifier

CLASSES: dict[str, ExplainedClasses] = {"top": "top", "all": "all", "few": (1, 4)}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return tiny_classifier()


@pytest.fixture(scope="module")
def files(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    for name, classes in CLASSES.items():
        export_to(folder / f"{name}.onnx", classifier, classes=classes)
    return {name: folder / f"{name}.onnx" for name in CLASSES}


@pytest.fixture(scope="module")
def explainer(classifier: Classifier) -> Iterator[Explainer]:
    with Explainer(classifier, compile="off", precision="fp32", device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Of the network's own size, for which both resize to the same pixels, and of another one."""
    with SceneSource(seed=3, width=256, height=256, max_frames=3) as scene:
        return [frame.image for frame in scene]


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool(np.abs(ours - theirs).max() <= 1e-3 * max(1e-6, float(np.abs(theirs).max())))


@pytest.mark.parametrize(
    ("file", "classes"),
    [
        *[("top", each) for each in (None, "top")],
        *[("all", each) for each in (None, "top", "all", 5, ("square", 9))],
        *[("few", each) for each in (1, (4, 1))],
    ],
)
def test_it_answers_as_the_network_does(
    files: dict[str, Path],
    explainer: Explainer,
    images: list[Image],
    file: str,
    classes: ClassChoice,
) -> None:
    with open_graph(files[file]) as graph:
        ours = graph.explain_batch(images, classes=classes)
    for mine, right in zip(ours, explainer.explain_batch(images, classes=classes), strict=True):
        assert mine.explained == right.explained
        assert mine.labels == right.labels
        assert [p.class_index for p in mine.predictions] == [
            p.class_index for p in right.predictions
        ]
        logits = [[p.logit for p in each.predictions] for each in (mine, right)]
        assert close(np.array(logits[0]), np.array(logits[1]))
        assert close(mine.evidence, right.evidence)
        assert mine.region == right.region
        assert (mine.method, mine.unit, mine.output) == (right.method, right.unit, right.output)
        assert mine.completeness_residual == pytest.approx(right.completeness_residual, abs=1e-4)


@pytest.mark.parametrize("view", ["crop", "stretch"])
def test_frames_of_any_size_are_shown_as_the_network_is_shown_them(
    files: dict[str, Path], explainer: Explainer, view: View
) -> None:
    with SceneSource(seed=3, width=640, height=360, max_frames=1) as scene:
        image = next(iter(scene)).image
    with open_graph(files["all"], view=view) as graph:
        (mine,), right = graph.explain_batch([image]), explainer.explain(image, view=view)
    assert mine.region == right.region
    # Torch's resize is a grey level beside PIL's here and there.
    cosine = (mine.evidence * right.evidence).sum() / (
        np.linalg.norm(mine.evidence) * np.linalg.norm(right.evidence)
    )
    assert cosine > 0.999


def test_a_file_without_a_map_of_a_class_predicts_it_all_the_same(
    files: dict[str, Path], images: list[Image]
) -> None:
    with open_graph(files["few"]) as graph:
        (explanation,) = graph.explain_batch(images[:1], classes=9)
        assert explanation.explained == ()
        assert 9 in [p.class_index for p in explanation.predictions]
        (best,) = graph.explain_batch(images[:1])
        assert best.explained[0] in (1, 4)
        with pytest.raises(UsageError, match=r"maps of .* only. Export it again"):
            graph.explain(images[0], classes=9)
    with (
        open_graph(files["top"]) as graph,
        pytest.raises(UsageError, match="maps of the 3 best classes only"),
    ):
        graph.explain(images[0], classes="all")


def test_the_removal_test_runs_on_an_exported_file(
    files: dict[str, Path], images: list[Image]
) -> None:
    with open_graph(files["top"]) as graph:
        explanation = graph.explain(images[0])
        found = removal_test(graph, images[0], explanation)
    assert found is not None
    assert found.class_index == explanation.explained[0]


def test_what_a_file_cannot_do_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pictures of one size only"):
        open_graph(files["top"], view="full")
    with pytest.raises(ModelError, match="there is no such file"):
        open_graph(tmp_path / "absent.onnx")
    (tmp_path / "other.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="not made by live-gradcam export"):
        open_graph(tmp_path / "other.onnx")
    with open_graph(files["top"]) as graph:
        only = OnlyExplainer(graph)
        assert only.get(ExplainerKey("d", "gradcam")) is graph
        assert only.find(ExplainerKey("c", "gradcam")) is None
        with pytest.raises(UsageError, match="this file explains d by gradcam only"):
            only.get(ExplainerKey("c", "gradcam"))


@pytest.mark.parametrize("device", ["npu", "tensorrt"])
def test_devices_that_compute_in_half_precision_only_do_so(
    files: dict[str, Path], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a device is not here: another engine takes its place."""
    asked = []

    def elsewhere(*given: Any, device: str, **options: Any) -> GraphEngine:
        asked.append((device, options["precision"]))
        return open_engine(*given, **{**options, "precision": "fp32"})

    monkeypatch.setattr("live_gradcam.graph.open.open_engine", elsewhere)
    for name in (device, "auto"):
        open_graph(files["top"], device=name).close()
    assert asked == [(device, "fp16"), ("auto", "fp32")]


def test_the_methods_that_contrast_are_those_of_the_table() -> None:
    assert set(CONTRASTING) == {each.name for each in METHODS.values() if each.contrasts}


def test_it_is_the_explainer_that_is_opened(files: dict[str, Path]) -> None:
    with open_graph(files["all"], top_k=2) as graph:
        assert isinstance(graph, GraphExplainer)
        assert graph.classifier.name == "tiny"
        assert (graph.top_k, graph.method, graph.runtime.precision) == (2, "gradcam", "fp32")


def test_it_takes_every_form_of_a_picture_and_remembers_it(
    files: dict[str, Path], images: list[Image], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    write_image(path, images[0])
    with open_graph(files["all"]) as graph:
        expected = graph.explain(images[0])
        rgb = np.ascontiguousarray(images[0][..., ::-1])
        for found in (
            graph.explain(path),
            graph.explain(path.read_bytes()),
            graph.explain(rgb, color="rgb"),
        ):
            np.testing.assert_array_equal(found.evidence, expected.evidence)
            np.testing.assert_array_equal(found.overlay(), expected.overlay())


def test_a_part_is_explained_as_if_it_were_the_picture(
    files: dict[str, Path], images: list[Image]
) -> None:
    with open_graph(files["all"]) as graph:
        found = graph.explain(images[0], classes="top", roi=(40, 30, 120, 90))
        alone = graph.explain(images[0][30:120, 40:160].copy(), classes="top")
    assert np.array_equal(found.evidence, alone.evidence)
    assert found.predictions == alone.predictions
    assert found.roi is not None
    assert found.roi.as_list() == [40, 30, 120, 90]
    assert (found.region.x, found.region.y) == (alone.region.x + 40, alone.region.y + 30)
    assert found.picture is not None
    assert found.picture.size == (256, 256)
