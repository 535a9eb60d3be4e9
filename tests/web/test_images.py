"""The picture tab's work: one forward for everything that one forward knows, bounded memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.removal import CONTROLS
from live_gradcam.images import read_image
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer
from live_gradcam.show.overlay import OverlayOptions, draw
from live_gradcam.values import Explanation, Image, Region
from live_gradcam.web.engine import SharedEngine
from live_gradcam.web.examples import find_examples
from live_gradcam.web.image_cache import CachedImage, ImageCache
from live_gradcam.web.images import (
    ImageService,
    draw_at_width,
    draw_map,
    draw_overlay,
    likely,
)
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import ViewSettings

from .conftest import PATIENCE, Counting, no_other, scene


@pytest.fixture
def counting(explainer: Explainer) -> Counting:
    return Counting(explainer)


@pytest.fixture
def service(counting: Counting, classifier: Classifier) -> Iterator[ImageService]:
    def make(other: Classifier, method: str) -> BatchExplainer:
        return Explainer(other, device="cpu", precision="fp32", compile="off", method=method)

    with (
        ExplainerPool[BatchExplainer](classifier, make, given=counting) as pool,
        SharedEngine(pool) as engine,
    ):
        yield ImageService(engine, Limits())


@pytest.fixture
def cached(service: ImageService, telling: Image) -> CachedImage:
    return service.open("ann", telling, "scene.png")


def test_the_explanation_is_the_explainers_own(
    service: ImageService, cached: CachedImage, explainer: Explainer
) -> None:
    ours = service.explain(cached, ViewSettings())
    theirs = explainer.explain(cached.image)
    assert ours.explained == theirs.explained
    assert ours.predictions == theirs.predictions
    assert ours.region == theirs.region
    np.testing.assert_allclose(ours.evidence, theirs.evidence, atol=1e-5)


def test_settings_of_one_view_cost_one_forward(
    service: ImageService, cached: CachedImage, classifier: Classifier, counting: Counting
) -> None:
    service.explain(cached, ViewSettings())
    for label in classifier.labels:
        explanation = service.explain(cached, ViewSettings(class_name=label))
        assert explanation.labels == (label,)
        assert explanation.evidence.shape[0] == 1
    service.explain_top(cached, ViewSettings())
    service.record(cached, ViewSettings())
    assert counting.images == 1
    service.explain(cached, ViewSettings(view="stretch"))
    assert counting.images == 2


def test_opacity_and_colours_change_the_rendered_image(
    service: ImageService, cached: CachedImage
) -> None:
    explanation = service.explain(cached, ViewSettings())
    usual = draw_overlay(cached.image, explanation, ViewSettings())
    faint = draw_overlay(cached.image, explanation, ViewSettings(opacity=0.0))
    other = draw_overlay(cached.image, explanation, ViewSettings(colormap="magma"))
    assert usual.shape == faint.shape == cached.image.shape
    assert (usual != faint).any()
    assert (usual != other).any()


def test_an_image_is_drawn_as_wide_as_it_is_shown_and_without_words(
    service: ImageService, cached: CachedImage
) -> None:
    explanation = service.explain(cached, ViewSettings())
    height, width = cached.image.shape[:2]
    for wanted in (90, width, 4 * width):
        drawn = draw_at_width(cached.image, explanation, ViewSettings(), wanted, 10_000)
        assert drawn.shape == (round(height * wanted / width), wanted, 3)
    assert max(draw_at_width(cached.image, explanation, ViewSettings(), 9000, 500).shape) == 500
    # The heat itself is what a larger picture shows more of, not larger pixels.
    options = OverlayOptions(show_labels=False, show_legend=False, opacity=1.0)
    full = draw_at_width(cached.image, explanation, ViewSettings(opacity=1.0), width, 10_000)
    plain = draw(cached.image, explanation, options=options)
    assert np.abs(full.astype(int) - plain).mean() < 1.0


def test_the_area_that_is_tested_can_be_marked(service: ImageService, cached: CachedImage) -> None:
    explanation = service.explain(cached, ViewSettings())
    bare, marked = (
        draw_at_width(cached.image, explanation, ViewSettings(), 640, 10_000, mark=mark)
        for mark in (False, True)
    )
    changed = (bare != marked).any(-1)
    assert 0.001 < changed.mean() < 0.2, "an outline, nothing else"


def test_a_spot_says_what_the_maps_have_there(service: ImageService, cached: CachedImage) -> None:
    settings = ViewSettings()
    explanation = service.explain(cached, settings)
    region, (rows, columns) = explanation.region, explanation.evidence.shape[1:]
    row, column = np.unravel_index(explanation.evidence[0].argmax(), (rows, columns))
    x = (region.x + (column + 0.5) * region.width / columns) / cached.image.shape[1]
    y = (region.y + (row + 0.5) * region.height / rows) / cached.image.shape[0]
    spot = service.spot(cached, settings, float(x), float(y))
    assert spot is not None
    assert (spot.row, spot.column) == (row, column)
    assert spot.shown.label == explanation.labels[0]
    assert spot.shown.logits == pytest.approx(float(explanation.evidence[0].max()), rel=1e-5)
    assert service.spot(cached, settings, 0.0, 0.5) is None, "the network sees the centre only"


def test_examples_belong_to_the_page_and_a_visitor_gets_all_that_is_known_of_them(
    service: ImageService, counting: Counting, telling: Image
) -> None:
    service.add_examples([(scene(5), "five"), (telling, "telling")])
    assert {each.name for each in service.examples} == {"five", "telling"}
    for number, example in enumerate(service.examples):
        service.explain(example, ViewSettings())
        before = counting.images
        taken = service.take_example(number, "ann")
        service.explain(taken, ViewSettings())
        assert counting.images == before
        assert taken.token == example.token, "pictures that are on their way still come"
        assert service.find_token(example.token) is example
    service.cache.remove("ann")
    assert service.find_token(service.examples[0].token) is service.examples[0]
    for wrong in (-1, 2):
        with pytest.raises(UsageError, match="no such example"):
            service.take_example(wrong, "ann")
    assert service.thumbnail(0, 200).shape == (150, 200, 3)


@pytest.mark.parametrize("slow", [False, True])
def test_the_first_example_is_one_that_decides_unless_the_network_is_slow(
    service: ImageService, counting: Counting, classifier: Classifier, slow: bool
) -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    examples = find_examples(counting, classifier.labels, most=1)
    given = [(grey, "grey"), (examples[0].image, "telling"), (scene(5), "five")]
    now = itertools.count(0.0, 10.0 if slow else 0.0)
    service.add_examples(given, clock=lambda: next(now))
    names = [each.name for each in service.examples]
    assert names == (["grey", "telling", "five"] if slow else ["telling", "grey", "five"])


def test_whose_image_had_to_make_room_is_told_so(
    counting: Counting, classifier: Classifier, telling: Image
) -> None:
    pool = ExplainerPool[BatchExplainer](classifier, no_other, given=counting)
    with SharedEngine(pool) as engine:
        service = ImageService(engine, replace(Limits(), images=1))
        service.add_examples([(telling, "telling"), (scene(5), "five")])
        service.open("ann", scene(1), "mine.png")
        service.take_example(1, "bob")
        for _ in range(2):
            with pytest.raises(UsageError, match=r"not kept any more\. Give it again"):
                service.current("ann")
        new = service.open("ann", scene(1), "mine.png")
        assert service.current("ann") is new
        again = service.current("bob")
        assert again is not None
        assert again.name == service.examples[1].name, "an example is never lost"
        service.cache.remove("ann")
        first = service.current("ann")
        assert first is not None
        assert first.name == service.examples[0].name


def test_each_of_the_best_classes_has_a_map(service: ImageService, cached: CachedImage) -> None:
    best = service.explain_top(cached, ViewSettings())
    assert [each.explained[0] for each in best] == [
        each.class_index for each in best[0].predictions[:3]
    ]
    maps = [draw_map(cached.image, best, place, ViewSettings(), width=100) for place in range(3)]
    assert [drawn.shape for drawn in maps] == [(100, 100, 3)] * 3
    assert any((maps[0] != other).any() for other in maps[1:])
    half = replace(best[0], evidence=best[0].evidence * np.float32(0.5))
    alone = draw_map(cached.image, [half], 0, ViewSettings(), width=100)
    beside = draw_map(cached.image, [best[0], half], 1, ViewSettings(), width=100)
    assert (alone != beside).any(), "all are drawn on one scale"


def test_other_layers_have_finer_maps(
    service: ImageService, cached: CachedImage, counting: Counting
) -> None:
    usual = service.explain(cached, ViewSettings())
    finer = service.explain(cached, ViewSettings(layer="layer3"))
    assert finer.evidence.shape[1] == 2 * usual.evidence.shape[1]
    assert finer.predictions[0].class_index == usual.predictions[0].class_index
    far = usual.predictions[-1].class_index
    asked = service.explain(cached, ViewSettings(layer="layer3", class_name=str(far)))
    assert asked.explained == (far,)
    assert counting.images == 1


def test_another_method_explains_the_same_answer_in_another_way(
    service: ImageService, cached: CachedImage, counting: Counting
) -> None:
    usual = service.explain(cached, ViewSettings())
    assert service.explain(cached, ViewSettings(method="gradcam")).method == "gradcam"
    for method in ("layercam", "finercam"):
        other = service.explain(cached, ViewSettings(method=method))
        assert other.method == method
        assert other.predictions[0].class_index == usual.predictions[0].class_index
        assert not np.array_equal(other.evidence, usual.evidence)
        assert len(service.explain_top(cached, ViewSettings(method=method))) == 3
        record = service.record(cached, ViewSettings(method=method))
        assert (record["method"], record["unit"]) == (method, other.unit)
    assert counting.images == 2, "the page's usual explainer made the first two only"


def test_what_would_keep_others_waiting_is_refused(
    service: ImageService, cached: CachedImage
) -> None:
    with pytest.raises(UsageError, match="too slow for a page"):
        service.explain(cached, ViewSettings(method="scorecam"))
    with pytest.raises(UsageError, match="unknown method: camcam"):
        service.explain(cached, ViewSettings(method="camcam"))


def test_what_does_not_exist_is_refused(service: ImageService, cached: CachedImage) -> None:
    with pytest.raises(UsageError, match="unknown layer: layer9"):
        service.explain(cached, ViewSettings(layer="layer9"))
    with pytest.raises(UsageError, match="teapot"):
        service.explain(cached, ViewSettings(class_name="teapot"))


def test_the_removal_test_is_measured_once(
    service: ImageService, cached: CachedImage, counting: Counting
) -> None:
    removal = service.removal(cached, ViewSettings())
    assert removal is not None
    assert removal.before == pytest.approx(
        service.explain(cached, ViewSettings()).predictions[0].probability
    )
    assert 0.0 <= removal.without_hot <= 1.0
    after = counting.images
    assert service.removal(cached, ViewSettings(opacity=0.1)) is removal
    assert counting.images == after == 2 + CONTROLS


def test_the_removal_test_has_turns_of_its_own(
    counting: Counting, classifier: Classifier, telling: Image
) -> None:
    pool = ExplainerPool[BatchExplainer](classifier, no_other, given=counting)
    with SharedEngine(pool, waiting_per_visitor=2) as engine, ThreadPoolExecutor(1) as test:
        service = ImageService(engine, Limits())
        cached = service.open("ann", telling, "scene.png")
        service.explain(cached, ViewSettings())
        counting.free.clear()
        # One at work or waiting, and as many as may wait.
        waiting = [engine.submit("another", telling)]
        waiting += [engine.submit("ann", telling) for _ in range(2)]
        removal = test.submit(service.removal, cached, ViewSettings())
        counting.free.set()
        assert removal.result(PATIENCE) is not None
        for result in waiting:
            result.result(PATIENCE)


def test_an_unlikely_class_gets_its_probability_with_the_test(
    service: ImageService, cached: CachedImage, classifier: Classifier, explainer: Explainer
) -> None:
    listed = {each.class_index for each in service.explain(cached, ViewSettings()).predictions}
    wanted = next(index for index in range(classifier.class_count) if index not in listed)
    settings = ViewSettings(class_name=str(wanted))
    service.removal(cached, settings)
    shown = service.explain(cached, settings)
    assert shown.explained == (wanted,)
    assert shown.predictions == explainer.explain(cached.image, classes=wanted).predictions
    assert wanted in {each.class_index for each in shown.predictions}
    assert len(service.explain_top(cached, settings)) == 3


def test_the_record_holds_the_numbers(service: ImageService, cached: CachedImage) -> None:
    service.removal(cached, ViewSettings())
    record = service.record(cached, ViewSettings())
    explanation = service.explain(cached, ViewSettings())
    assert record["source"] == "scene.png"
    assert record["label"] == explanation.labels[0]
    assert record["layer"] == "layer4"
    np.testing.assert_array_equal(np.float32(record["evidence"]), explanation.evidence[0])
    assert record["removal"]["label"] == explanation.labels[0]


def test_only_so_many_images_are_remembered() -> None:
    cache = ImageCache(replace(Limits(), images=3))
    images = [CachedImage(f"visitor {n}", scene(n, 64, 48), "x.png") for n in range(5)]
    for each in images[:3]:
        cache.put(each)
    assert cache.get("visitor 0") is images[0]
    cache.put(images[3])
    cache.put(images[4])
    assert [cache.get(f"visitor {n}") is not None for n in range(5)] == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_only_so_much_memory_is_taken() -> None:
    one = scene(1, 64, 48)
    cache = ImageCache(replace(Limits(), image_bytes=int(2.5 * one.nbytes)))
    for number in range(4):
        cache.put(CachedImage(f"visitor {number}", one, "x.png"))
    assert len(cache) == 2
    cache.remove("visitor 3")
    assert len(cache) == 1


def test_the_maps_of_one_image_are_bounded() -> None:
    cache = ImageCache(replace(Limits(), map_bytes=1000))
    cached = CachedImage("ann", scene(1, 64, 48), "x.png")
    cache.put(cached)
    one = Explanation((), (0,), np.zeros((1, 10, 10), np.float32), Region(0, 0, 64, 48))
    for number in range(5):
        cache.grow(cached, ("crop", f"layer{number}", ""), one)
        assert ("crop", f"layer{number}", "") in cached.explanations
        assert cached.map_bytes <= 1000


def test_a_new_image_takes_the_place_of_the_visitors_old_one() -> None:
    cache = ImageCache(Limits())
    old, new = (CachedImage("ann", scene(n, 64, 48), "x.png") for n in (1, 2))
    cache.put(old)
    cache.put(new)
    assert len(cache) == 1
    assert cache.find_token(old.token) is None
    assert cache.find_token(new.token) is new


def test_labels_that_several_classes_share_are_told_apart(explainer: Explainer) -> None:
    explanation = explainer.explain(scene(3))
    best = explanation.predictions
    shared = tuple(replace(each, label="crane") for each in best[:2])
    names = likely(replace(explanation, predictions=shared), ("crane",) * 10)
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
        SharedEngine(
            ExplainerPool[BatchExplainer](classifier, no_other, given=explainer)
        ) as engine,
    ):
        service = ImageService(engine, Limits())
        for run in runs:
            photograph = shared / "media" / "images" / run["source"]
            page = service.record(
                service.open("ann", read_image(photograph), "x.jpg"), ViewSettings()
            )
            assert page["region"] == run["region"]
            for ours, theirs in zip(page["predictions"], run["predictions"], strict=True):
                assert ours["label"] == theirs["label"]
                assert ours["logit"] == pytest.approx(theirs["logit"], rel=1e-3)
            expected = explainer.explain(photograph).evidence[0]
            np.testing.assert_allclose(page["evidence"], expected, atol=1e-4)
