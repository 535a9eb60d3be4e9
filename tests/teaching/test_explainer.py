"""One forward of the trunk serves a taught head, the network's own, and the examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.protocol import LiveExplainer
from live_gradcam.teaching import learn
from live_gradcam.teaching.explainer import TaughtExplainer
from tests.teaching.sessions import show, wall
from tests.teaching.support import clouds, small_classifier


@pytest.fixture(scope="module")
def extractor() -> Iterator[lg.FeatureExtractor]:
    """Of a small network."""
    with lg.FeatureExtractor(small_classifier()) as made:
        yield made


def _assert_alike(ours: Sequence[lg.Explanation], theirs: Sequence[lg.Explanation]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert [e.label for e in one.predictions] == [e.label for e in other.predictions]
        assert one.explained == other.explained
        largest = float(np.abs(other.evidence).max())
        np.testing.assert_allclose(one.evidence, other.evidence, atol=1e-5 * largest)
        assert one.region == other.region
        assert set(one.timings_ms) == set(other.timings_ms)


def test_each_head_has_an_explainer_on_the_same_trunk(extractor: lg.FeatureExtractor) -> None:
    images = show(2, wall(5), 5, 2).frames
    for count in (2, 5):
        lesson = learn(clouds(count, size=extractor.count, seed=count))
        classifier = lesson.put_on(extractor.classifier)
        explainer = TaughtExplainer(extractor, classifier)
        ours = explainer.explain_batch(images, classes="all")
        with lg.Explainer(classifier, compile="off", engine="torch", precision="fp32") as plain:
            _assert_alike(ours, plain.explain_batch(images, classes="all"))
            assert explainer.top_k == plain.top_k
        for each in ours:
            assert each.completeness_residual is not None
            assert each.completeness_residual <= 1e-4


def test_a_session_can_run_it(extractor: lg.FeatureExtractor) -> None:
    lesson = learn(clouds(2, size=extractor.count))
    explainer: LiveExplainer = TaughtExplainer(extractor, lesson.put_on(extractor.classifier))
    assert not explainer.compiled
    assert explainer.runtime.engine == "torch"
    assert explainer.classifier.labels == ("class 0", "class 1")
    explanation = explainer.explain_batch([wall(1)])[0]
    stages = explanation.timings_ms
    assert stages["explain"] == pytest.approx(stages["preprocess"] + stages["network"])
    with pytest.raises(lg.UsageError, match="unknown view"):
        explainer.explain_batch([wall(1)], view="sideways")  # type: ignore[arg-type]
    with pytest.raises(lg.UsageError, match="class 7"):
        explainer.explain_batch([wall(1)], classes="class 7")


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
@pytest.mark.parametrize("classes", [None, "top", "all", [1, "d"]])
def test_one_forward_explains_by_the_own_head_and_keeps_the_features(
    method: str, classes: list[int | str] | None
) -> None:
    images = show(2, wall(5), 5, 2).frames
    base = small_classifier()
    with (
        lg.Explainer(base, compile="off", engine="torch", method=method, top_k=2) as plain,
        lg.FeatureExtractor.like(plain) as extractor,
    ):
        kept = extractor.explain_kept(images, classes=classes, method=method)
        _assert_alike([own for own, _ in kept], plain.explain_batch(images, classes=classes))
        alone = extractor.extract(images)
    for (_, features), each in zip(kept, alone, strict=True):
        np.testing.assert_array_equal(features.pooled, each.pooled)
        np.testing.assert_allclose(features.maps.sum((1, 2)), features.pooled, rtol=1e-4, atol=1e-6)


def test_an_extractor_runs_as_the_explainer_does() -> None:
    base = small_classifier()
    options = {"device": "cpu", "compile": "off", "engine": "torch"}
    with (
        lg.Explainer(base, precision="bf16", view="stretch", **options) as plain,  # type: ignore[arg-type]
        lg.FeatureExtractor.like(plain) as extractor,
    ):
        assert extractor.view == "stretch"
        assert extractor.runtime.precision == "bf16"
        assert extractor.runtime.device == plain.runtime.device
        assert extractor.settings["view"] == "stretch"


def test_a_head_of_another_trunk_is_not_put_on(extractor: lg.FeatureExtractor) -> None:
    other = small_classifier(channels=20)
    lesson = learn(clouds(2, size=20))
    with pytest.raises(lg.ModelError, match="no linear layer on 48 features"):
        TaughtExplainer(extractor, lesson.put_on(other))


def test_a_picture_that_cannot_be_read_leaves_the_others(extractor: lg.FeatureExtractor) -> None:
    lesson = learn(clouds(2, size=extractor.count))
    explainer = TaughtExplainer(extractor, lesson.put_on(extractor.classifier))
    found = explainer.explain_batch([b"no picture", wall(1)], on_error="skip")
    assert isinstance(found[0], lg.SourceError)
    assert isinstance(found[1], lg.Explanation)
    with pytest.raises(lg.SourceError):
        explainer.explain_batch([b"no picture", wall(1)])


def test_a_part_is_explained_as_if_it_were_the_picture(extractor: lg.FeatureExtractor) -> None:
    lesson = learn(clouds(2, size=extractor.count))
    explainer = TaughtExplainer(extractor, lesson.put_on(extractor.classifier))
    image = wall(1)
    height, width = image.shape[:2]
    half = image[: height // 2, : width // 2].copy()
    found = explainer.explain(image, roi=(0, 0, width // 2, height // 2))
    alone = explainer.explain(half)
    assert np.array_equal(found.evidence, alone.evidence)
    assert (found.predictions, found.region) == (alone.predictions, alone.region)
    assert found.roi == lg.Region(0, 0, width // 2, height // 2)
