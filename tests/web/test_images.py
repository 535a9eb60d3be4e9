"""The picture tab's work: one forward for everything that one forward knows, bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.images import read_image
from live_gradcam.values import Explanation, Image, View
from live_gradcam.web.engine import Classes, SharedEngine
from live_gradcam.web.images import ImageCache, ImageService, KeptPicture, Look, likely
from live_gradcam.web.layers import LayerShelf
from live_gradcam.web.limits import Limits

from .conftest import scene


class Counting:
    """A real explainer that knows how many pictures it was asked about."""

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.pictures = 0

    def explain_batch(
        self, images: Sequence[Image], *, classes: Classes = None, view: View | None = None
    ) -> list[Explanation]:
        self.pictures += len(images)
        return self.explainer.explain_batch(images, classes=classes, view=view)


def no_other(_classifier: Classifier, _method: str) -> Explainer:
    raise AssertionError("nobody asked for another layer or method")


@pytest.fixture
def counting(explainer: Explainer) -> Counting:
    return Counting(explainer)


@pytest.fixture
def desk(counting: Counting, classifier: Classifier) -> Iterator[ImageService]:
    made: list[Explainer] = []

    def make(other: Classifier, method: str) -> Explainer:
        made.append(Explainer(other, device="cpu", precision="fp32", compile="off", method=method))
        return made[-1]

    with SharedEngine(counting) as engine:
        yield ImageService(engine, LayerShelf(classifier, make), Limits())
    for explainer in made:
        explainer.close()


@pytest.fixture
def picture(desk: ImageService, telling: Image) -> KeptPicture:
    return desk.open("ann", telling, "scene.png")


def test_the_explanation_is_the_explainers_own(
    desk: ImageService, picture: KeptPicture, explainer: Explainer
) -> None:
    ours = desk.explain(picture, Look())
    theirs = explainer.explain(picture.image)
    assert ours.explained == theirs.explained
    assert ours.predictions == theirs.predictions
    assert ours.region == theirs.region
    np.testing.assert_allclose(ours.evidence, theirs.evidence, atol=1e-5)


def test_looks_of_one_view_cost_one_forward(
    desk: ImageService, picture: KeptPicture, classifier: Classifier, counting: Counting
) -> None:
    desk.explain(picture, Look())
    for label in classifier.labels:
        explanation = desk.explain(picture, Look(class_name=label))
        assert explanation.labels == (label,)
        assert explanation.evidence.shape[0] == 1
    desk.overlay(picture, Look(opacity=0.2, colormap="magma"))
    desk.maps(picture, Look())
    desk.record(picture, Look())
    assert counting.pictures == 1
    desk.explain(picture, Look(view="stretch"))
    assert counting.pictures == 2


def test_opacity_and_colours_change_the_picture(desk: ImageService, picture: KeptPicture) -> None:
    usual = desk.overlay(picture, Look())
    faint = desk.overlay(picture, Look(opacity=0.0))
    other = desk.overlay(picture, Look(colormap="magma"))
    assert usual.shape == faint.shape == picture.image.shape
    assert (usual != faint).any()
    assert (usual != other).any()


def test_each_of_the_best_classes_has_a_map(desk: ImageService, picture: KeptPicture) -> None:
    best = desk.best(picture, Look())
    assert [each.explained[0] for each in best] == [
        each.class_index for each in best[0].predictions[:3]
    ]
    maps = desk.maps(picture, Look(), side=100)
    assert [drawn.shape for drawn in maps] == [(100, 100, 3)] * 3
    assert any((maps[0] != other).any() for other in maps[1:])


def test_other_layers_have_finer_maps(
    desk: ImageService, picture: KeptPicture, counting: Counting
) -> None:
    usual = desk.explain(picture, Look())
    finer = desk.explain(picture, Look(layer="layer3"))
    assert finer.evidence.shape[1] == 2 * usual.evidence.shape[1]
    assert finer.predictions[0].class_index == usual.predictions[0].class_index
    far = usual.predictions[-1].class_index
    asked = desk.explain(picture, Look(layer="layer3", class_name=str(far)))
    assert asked.explained == (far,)
    assert counting.pictures == 1


def test_another_method_explains_the_same_answer_in_another_way(
    desk: ImageService, picture: KeptPicture, counting: Counting
) -> None:
    usual = desk.explain(picture, Look())
    assert desk.explain(picture, Look(method="gradcam")).method == "gradcam"
    for method in ("layercam", "finercam"):
        other = desk.explain(picture, Look(method=method))
        assert other.method == method
        assert other.predictions[0].class_index == usual.predictions[0].class_index
        assert not np.array_equal(other.evidence, usual.evidence)
        assert len(desk.best(picture, Look(method=method))) == 3
        record = desk.record(picture, Look(method=method))
        assert (record["method"], record["unit"]) == (method, other.unit)
    assert counting.pictures == 2, "the page's usual explainer made the first two only"


def test_what_would_keep_others_waiting_is_refused(
    desk: ImageService, picture: KeptPicture
) -> None:
    with pytest.raises(UsageError, match="too slow for a page"):
        desk.explain(picture, Look(method="scorecam"))
    with pytest.raises(UsageError, match="unknown method: camcam"):
        desk.explain(picture, Look(method="camcam"))


def test_what_does_not_exist_is_refused(desk: ImageService, picture: KeptPicture) -> None:
    with pytest.raises(UsageError, match="unknown layer: layer9"):
        desk.explain(picture, Look(layer="layer9"))
    with pytest.raises(UsageError, match="teapot"):
        desk.explain(picture, Look(class_name="teapot"))


def test_the_removal_test_is_measured_once(
    desk: ImageService, picture: KeptPicture, counting: Counting
) -> None:
    removal = desk.removal(picture, Look())
    assert removal is not None
    assert removal.before == pytest.approx(desk.explain(picture, Look()).predictions[0].probability)
    assert 0.0 <= removal.without_hot <= 1.0
    after = counting.pictures
    assert desk.removal(picture, Look(opacity=0.1)) is removal
    assert counting.pictures == after == 3


def test_an_unlikely_class_gets_its_probability_with_the_test(
    desk: ImageService, picture: KeptPicture, classifier: Classifier, explainer: Explainer
) -> None:
    listed = {each.class_index for each in desk.explain(picture, Look()).predictions}
    wanted = next(index for index in range(classifier.class_count) if index not in listed)
    look = Look(class_name=str(wanted))
    desk.removal(picture, look)
    shown = desk.explain(picture, look)
    assert shown.explained == (wanted,)
    assert shown.predictions == explainer.explain(picture.image, classes=wanted).predictions
    assert wanted in {each.class_index for each in shown.predictions}
    assert len(desk.best(picture, look)) == 3


def test_the_record_holds_the_numbers(desk: ImageService, picture: KeptPicture) -> None:
    desk.removal(picture, Look())
    record = desk.record(picture, Look())
    explanation = desk.explain(picture, Look())
    assert record["source"] == "scene.png"
    assert record["label"] == explanation.labels[0]
    assert record["layer"] == "layer4"
    np.testing.assert_array_equal(np.float32(record["evidence"]), explanation.evidence[0])
    assert record["removal"]["label"] == explanation.labels[0]


def test_only_so_many_pictures_are_remembered() -> None:
    shelf = ImageCache(replace(Limits(), pictures=3))
    pictures = [KeptPicture(f"visitor {n}", scene(n, 64, 48), "x.png") for n in range(5)]
    for each in pictures[:3]:
        shelf.put(each)
    assert shelf.of("visitor 0") is pictures[0]
    shelf.put(pictures[3])
    shelf.put(pictures[4])
    assert [shelf.of(f"visitor {n}") is not None for n in range(5)] == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_only_so_much_memory_is_taken() -> None:
    one = scene(1, 64, 48)
    shelf = ImageCache(replace(Limits(), picture_bytes=int(2.5 * one.nbytes)))
    for number in range(4):
        shelf.put(KeptPicture(f"visitor {number}", one, "x.png"))
    assert len(shelf) == 2
    shelf.forget("visitor 3")
    assert len(shelf) == 1


def test_a_new_picture_takes_the_place_of_the_visitors_old_one() -> None:
    shelf = ImageCache(Limits())
    old, new = (KeptPicture("ann", scene(n, 64, 48), "x.png") for n in (1, 2))
    shelf.put(old)
    shelf.put(new)
    assert len(shelf) == 1
    assert shelf.by_token(old.token) is None
    assert shelf.by_token(new.token) is new


def test_labels_that_several_classes_share_are_told_apart(explainer: Explainer) -> None:
    explanation = explainer.explain(scene(3))
    best = explanation.predictions
    shared = tuple(replace(each, label="crane") for each in best[:2])
    names = likely(replace(explanation, predictions=shared), ("crane", "crane"))
    assert list(names) == [f"crane ({each.class_index})" for each in best[:2]]


def test_real_photographs_with_real_weights_are_explained_as_by_run(
    shared: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    weights = str(shared / "weights" / "squeezenet1_1-imagenet.pth")
    network = ["--model", "squeezenet1_1", "--weights", weights, "--precision", "fp32"]
    result = command("run", shared / "media" / "images" / "g*.jpg", *network, "-o", "-")
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(runs) >= 3
    classifier = load_classifier("squeezenet1_1", weights=weights)
    with (
        Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer,
        SharedEngine(explainer) as engine,
    ):
        desk = ImageService(engine, LayerShelf(classifier, no_other), Limits())
        for run in runs:
            photograph = shared / "media" / "images" / run["source"]
            page = desk.record(desk.open("ann", read_image(photograph), "x.jpg"), Look())
            assert page["region"] == run["region"]
            for ours, theirs in zip(page["predictions"], run["predictions"], strict=True):
                assert ours["label"] == theirs["label"]
                assert ours["logit"] == pytest.approx(theirs["logit"], rel=1e-3)
            expected = explainer.explain(photograph).evidence[0]
            np.testing.assert_allclose(page["evidence"], expected, atol=1e-4)
