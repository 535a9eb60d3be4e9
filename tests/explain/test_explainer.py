"""Images in, explanations out: real networks, real photographs, every shape, many threads."""

from __future__ import annotations

import csv
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image as PilImages
from torch import Tensor, nn

from live_gradcam.choices import View
from live_gradcam.errors import DeviceError, SourceError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork, Output
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation
from tests.explain import support


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(support.tiny_classifier(), precision="fp32", compile="off")


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> Classifier:
    return load_classifier(
        "squeezenet1_1", weights=shared / "weights" / "squeezenet1_1-imagenet.pth"
    )


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other)))


# Real photographs


def test_photographs_are_recognised_and_half_precision_agrees(
    shared: Path, squeezenet: Classifier
) -> None:
    with (shared / "media" / "images" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [shared / "media" / "images" / row["file"] for row in rows]
    exact = Explainer(squeezenet, precision="fp32", compile="off").explain_batch(paths)
    right = [
        explanation.predictions[0].class_index == int(row["imagenet_index"])
        for explanation, row in zip(exact, rows, strict=True)
    ]
    assert len(right) == 40
    assert sum(right) >= 36
    half = Explainer(squeezenet, precision="bf16", compile="off").explain_batch(paths, classes=None)
    same = [a.explained == b.explained for a, b in zip(exact, half, strict=True)]
    assert np.mean(same) >= 0.97
    cosines = [cosine(a.evidence[0], b.evidence[0]) for a, b in zip(exact, half, strict=True)]
    assert np.median(cosines) >= 0.995


def test_evidence_lies_on_the_object(shared: Path, squeezenet: Classifier) -> None:
    """A photograph with its object in one half only: the evidence is in that half."""
    photograph = cv2.imread(str(shared / "media" / "images" / "zebra.jpg"))
    assert photograph is not None
    zebra = cv2.resize(photograph, (224, 224))
    frame = np.full((224, 448, 3), 120, np.uint8)
    explainer = Explainer(squeezenet, compile="off", view="stretch")
    for left in (0, 224):
        shown = frame.copy()
        shown[:, left : left + 224] = zebra
        heat = np.maximum(explainer.explain(shown, classes="zebra").evidence[0], 0)
        half = heat.shape[1] // 2
        share = heat[:, :half].sum() / heat.sum()
        assert share > 0.7 if left == 0 else share < 0.3


# What comes out


def test_predictions_are_the_softmax_of_the_network(explainer: Explainer) -> None:
    image = support.smooth_image(64, 64)
    explanation = explainer.explain(image, view="stretch")
    module = support.randomised(support.TinyNet())
    with torch.no_grad():
        logits = module(support.as_input([image]))[0]
    ranked = logits.argsort(descending=True)[:3].tolist()
    assert [p.class_index for p in explanation.predictions] == ranked
    for prediction in explanation.predictions:
        scale = float(logits.abs().max())
        logit = float(logits[prediction.class_index])
        assert prediction.logit == pytest.approx(logit, rel=0, abs=1e-5 * scale)
        expected = float(logits.softmax(0)[prediction.class_index])
        # A probability changes by at most a share of what its logit does.
        assert prediction.probability == pytest.approx(expected, rel=0, abs=1e-5 * scale)
        assert prediction.label == f"class {prediction.class_index}"


@pytest.mark.parametrize(
    ("classes", "count"),
    [(None, 1), ("top", 3), ("all", 5), (2, 1), ("class 4", 1), ([4, "class 0"], 2), ((1,), 1)],
)
def test_which_classes_are_explained(
    explainer: Explainer, classes: ClassChoice, count: int
) -> None:
    explanation = explainer.explain(support.smooth_image(), classes=classes)
    ranked = [p.class_index for p in explanation.predictions]
    expected = {
        "None": ranked[:1],
        "'top'": ranked,
        "'all'": [0, 1, 2, 3, 4],
        "2": [2],
        "'class 4'": [4],
        "[4, 'class 0']": [4, 0],
        "(1,)": [1],
    }[repr(classes)]
    assert list(explanation.explained) == expected
    assert explanation.evidence.shape == (count, 4, 4)
    assert explanation.evidence.dtype == np.float32
    assert explanation.labels == tuple(f"class {index}" for index in expected)
    # Every map is the one that the class gets on its own.
    for position, index in enumerate(expected):
        alone = explainer.explain(support.smooth_image(), classes=index).evidence[0]
        support.assert_maps_close(explanation.evidence[position], alone)


def test_maps_of_a_closed_form_are_complete(explainer: Explainer) -> None:
    for seed in range(4):
        explanation = explainer.explain(support.smooth_image(seed=seed))
        assert explanation.completeness_residual is not None
        terms = abs(explanation.evidence[0]).sum()
        assert explanation.completeness_residual < 1e-5 * terms


def test_no_residual_where_maps_do_not_add_up() -> None:
    explainer = Explainer(support.classifier("squeezenet1_0", 10), compile="off")
    assert explainer.explain(support.smooth_image()).completeness_residual is None


def test_times_are_measured(explainer: Explainer) -> None:
    timings = explainer.explain(support.smooth_image()).timings_ms
    assert set(timings) == {"preprocess", "network", "explain"}
    assert timings["explain"] == pytest.approx(timings["preprocess"] + timings["network"])
    assert min(timings.values()) > 0


# What goes in


def test_a_path_a_pil_picture_and_an_array_are_the_same(
    explainer: Explainer, tmp_path: Path
) -> None:
    image = support.smooth_image()
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), image)
    pil = PilImages.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    expected = explainer.explain(image)
    for same in (path, str(path), pil):
        found = explainer.explain(same)
        assert found.predictions == expected.predictions
        np.testing.assert_array_equal(found.evidence, expected.evidence)


def test_files_that_cannot_be_read_are_source_errors(explainer: Explainer, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    for path in (tmp_path / "text.jpg", tmp_path / "missing.jpg"):
        with pytest.raises(SourceError) as caught:
            explainer.explain(path)
        assert str(path) in str(caught.value)


def test_one_wrong_file_costs_the_others_nothing(explainer: Explainer, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    image = support.smooth_image()
    batch: list[Any] = [image, tmp_path / "text.jpg", image, tmp_path / "missing.jpg"]
    first, broken, last, missing = explainer.explain_batch(batch, on_error="skip")
    expected = explainer.explain(image)
    for found in (first, last):
        assert isinstance(found, Explanation)
        # Another size of batch, another order of sums.
        np.testing.assert_allclose(found.evidence, expected.evidence, rtol=1e-4, atol=1e-5)
    for error, name in ((broken, "text.jpg"), (missing, "missing.jpg")):
        assert isinstance(error, SourceError)
        assert name in str(error)
    with pytest.raises(SourceError, match=r"text\.jpg"):
        explainer.explain_batch(batch)
    wrong: Any = "skipp"
    with pytest.raises(UsageError, match="skip"):
        explainer.explain_batch(batch, on_error=wrong)


def test_pictures_are_not_modified(explainer: Explainer) -> None:
    image = support.smooth_image()
    before = image.copy()
    explainer.explain_batch([image, image[:, ::-1], image[10:50]])
    assert (image == before).all()


def test_options_that_do_not_exist_are_usage_errors(explainer: Explainer) -> None:
    classifier = explainer.classifier
    wrong: list[dict[str, Any]]
    wrong = [{"top_k": 0}, {"view": "squash"}, {"device": "gpu"}, {"compile": "later"}]
    for options in wrong:
        with pytest.raises(UsageError):
            Explainer(classifier, **options)
    wrong = [{"classes": "zebra"}, {"classes": 5}, {"classes": []}, {"view": "squash"}]
    for options in wrong:
        with pytest.raises(UsageError):
            explainer.explain(support.smooth_image(), **options)


# Batches


@pytest.mark.parametrize("view", ["crop", "stretch", "full"])
def test_a_batch_is_what_each_picture_gives_alone_in_order(view: View) -> None:
    explainer = Explainer(support.tiny_classifier(), precision="fp32", compile="off", view=view)
    sizes = [
        (90, 70),
        (64, 64),
        (300, 40),
        (90, 70),
        (1, 1),
        (90, 70),
        (5, 200),
        (64, 64),
        (64, 64),
    ]
    images = [support.smooth_image(*size, seed=seed) for seed, size in enumerate(sizes)]
    together = explainer.explain_batch(images, classes="top")
    assert len(together) == len(images)
    for image, explanation in zip(images, together, strict=True):
        alone = explainer.explain(image, classes="top")
        assert explanation.explained == alone.explained
        assert explanation.region == alone.region
        support.assert_maps_close(explanation.evidence, alone.evidence)
    assert explainer.explain_batch([]) == []


def test_the_whole_frame_view_keeps_the_frame_s_shape(explainer: Explainer) -> None:
    evidence = explainer.explain(support.smooth_image(200, 100), view="full").evidence
    assert evidence.shape == (1, 4, 8)


def test_a_network_of_one_size_says_so_in_the_whole_frame_view() -> None:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, 8), nn.ReLU()), nn.Flatten(), nn.Linear(4 * 8 * 8, 3)
    )
    classifier = Classifier.from_module(network, layer="0", preprocessing=Preprocessing(64, 64))
    explainer = Explainer(classifier, compile="off", precision="fp32")
    assert explainer.explain(support.smooth_image()).evidence.shape == (1, 8, 8)
    with pytest.raises(UsageError, match="--view crop"):
        explainer.explain(support.smooth_image(200, 100), view="full")


class Scarce(nn.Module):
    """A trunk on a device that has memory for a few images only."""

    def __init__(self, trunk: nn.Module, capacity: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.capacity = capacity
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(x.shape[0])
        if x.shape[0] > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        activations: Tensor = self.trunk(x)
        return activations


@pytest.mark.parametrize("capacity", [1, 2])
def test_out_of_memory_halves_the_batch(explainer: Explainer, capacity: int) -> None:
    images = [support.smooth_image(seed=seed) for seed in range(4)]
    expected = [explainer.explain(image).explained for image in images]
    trunk = Scarce(explainer.classifier.trunk, capacity)
    scarce = Explainer(
        replace(explainer.classifier, trunk=trunk), device="cpu", precision="fp32", compile="off"
    )
    assert [found.explained for found in scarce.explain_batch(images)] == expected
    assert trunk.batches[:2] == [4, 2]


def test_out_of_memory_for_one_image_is_a_device_error() -> None:
    classifier = support.tiny_classifier()
    scarce = replace(classifier, trunk=Scarce(classifier.trunk, 0))
    explainer = Explainer(scarce, device="cpu", precision="fp32", compile="off")
    with pytest.raises(DeviceError, match="out of memory") as caught:
        explainer.explain_batch([support.smooth_image(), support.smooth_image()])
    assert caught.value.exit_code == 6


# Numbers that are not finite


def with_scaled_weights(factor: float) -> Classifier:
    network = support.randomised(support.TinyNet())
    last, fc = network.get_parameter("last.0.weight"), network.get_parameter("fc.weight")
    with torch.no_grad():
        last.mul_(factor)
        fc.mul_(1 / factor)
    return Classifier.from_module(network, layer="last", preprocessing=Preprocessing(64, 64))


class Overflowing(nn.Module):
    """A trunk whose half precision overflows for the second image of a batch."""

    def __init__(self, trunk: nn.Module, value: float) -> None:
        super().__init__()
        self.trunk, self.value = trunk, value

    def forward(self, x: Tensor) -> Tensor:
        activations: Tensor = self.trunk(x).clone()
        if x.dtype != torch.float32:
            activations[1:2] = self.value
        return activations


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("classes", ["top", "all"])
def test_what_half_precision_cannot_hold_is_computed_again(
    value: float, classes: Literal["top", "all"]
) -> None:
    classifier = support.tiny_classifier()
    classifier = replace(classifier, trunk=Overflowing(classifier.trunk, value))
    explainer = Explainer(classifier, device="cpu", precision="bf16", compile="off", top_k=2)
    images = [support.smooth_image(seed=seed) for seed in range(3)]
    exact = Explainer(classifier, device="cpu", precision="fp32", compile="off", top_k=2)
    expected = exact.explain_batch(images, classes=classes)
    found = explainer.explain_batch(images, classes=classes)
    assert all(explanation.finite for explanation in found)
    assert found[1].explained == expected[1].explained
    support.assert_maps_close(found[1].evidence, expected[1].evidence)
    support.assert_maps_close(found[0].evidence, expected[0].evidence, support.ROUNDING["bf16"])


def test_what_float32_cannot_hold_is_no_evidence() -> None:
    classifier = with_scaled_weights(1e38)
    explainer = Explainer(classifier, precision="fp32", compile="off")
    explanation = explainer.explain(support.smooth_image(), classes="top")
    assert not explanation.finite
    assert not explanation.evidence.any()
    for prediction in explanation.predictions:
        assert np.isfinite([prediction.logit, prediction.strength]).all()
    assert explanation.completeness_residual is None


# Threads


def test_eight_threads_share_one_explainer() -> None:
    explainer = Explainer(support.tiny_classifier(), compile="off")
    images = [support.smooth_image(60 + 7 * seed, 50 + 5 * seed, seed) for seed in range(8)]
    choices: list[ClassChoice] = [None, "top", "all", 2, [1, 3], "class 0", None, "top"]
    expected = [explainer.explain(i, classes=c) for i, c in zip(images, choices, strict=True)]
    found: dict[int, list[Explanation]] = {index: [] for index in range(8)}
    barrier = threading.Barrier(8)

    def work(index: int) -> None:
        barrier.wait()
        for _ in range(20):
            found[index].append(explainer.explain(images[index], classes=choices[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, explanations in found.items():
        assert len(explanations) == 20
        for explanation in explanations:
            assert explanation.explained == expected[index].explained
            support.assert_maps_close(explanation.evidence, expected[index].evidence)
            assert explanation.region == expected[index].region


def test_gradients_stay_switched_on_for_the_caller(explainer: Explainer) -> None:
    explainer.explain(support.smooth_image())
    assert torch.is_grad_enabled()


# The network in half precision


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "vgg11_bn"])
def test_folding_batch_norm_changes_nothing_but_rounding(name: str) -> None:
    classifier = support.classifier(name, 10)
    folded = FusedNetwork(classifier, "bf16")
    left = [m for m in folded.trunk.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [m for m in classifier.trunk.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(before) > 2
    assert len(left) < len(before) / 2 + 3 if name == "densenet121" else not left
    pixels = torch.from_numpy(support.smooth_image(96, 96)).unsqueeze(0)
    ranks = torch.tensor([-1])
    with torch.no_grad():
        exact = Output(*FusedNetwork(classifier, "fp32")(pixels, ranks))
        half = Output(*folded(pixels, exact.classes[0]))
    assert cosine(exact.evidence.numpy(), half.evidence.numpy()) > 0.99
    assert all(part.dtype == torch.float32 for part in (half.logits, half.evidence, half.basis))
