"""One image: which class is explained, and that nothing else decides the result."""

from __future__ import annotations

import numpy as np

from live_gradcam.evaluate.dataset import Sample
from live_gradcam.evaluate.image_evaluator import ImageEvaluator, explain_sample, open_pool
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.faithfulness.scoring import Scorer
from tests.explain.support import tiny_classifier

OPTIONS = EvaluationOptions(steps=2, device="cpu", precision="fp32")
IMAGE = np.random.default_rng(3).integers(0, 256, (80, 100, 3), np.uint8)
MASK = np.zeros((80, 100), np.bool_)
MASK[30:50, 40:60] = True


def test_the_true_class_with_the_highest_score_is_explained_first() -> None:
    with open_pool(tiny_classifier(), OPTIONS) as pool:
        explainer = pool.get(pool.key())
        (free,) = explainer.explain_batch([IMAGE], classes="all")
        order = [each.class_index for each in free.predictions]
        best, worse, worst = order[0], order[1], order[2]
        sample = Sample(IMAGE, (worst, worse), ((best, MASK), (worst, MASK)))
        explanation = explain_sample(explainer, sample, "crop")
        assert explanation.explained == (worse, worst)
        with_objects = explain_sample(explainer, sample, "crop", all_objects=True)
        assert with_objects.explained == (worse, worst, best)
        (alone,) = explainer.explain_batch([IMAGE], classes=[worse])
        np.testing.assert_allclose(with_objects.evidence[0], alone.evidence[0], rtol=1e-5)
        unknown = explain_sample(explainer, Sample(IMAGE, (), ()), "crop")
        assert unknown.explained == (best,)


def test_a_result_depends_on_nothing_but_the_image() -> None:
    network = tiny_classifier()
    with open_pool(network, OPTIONS) as pool:
        explainer = pool.get(pool.key())
        scorer = Scorer(network, explainer.runtime)
        evaluator = ImageEvaluator({"gradcam": explainer}, explainer, scorer, OPTIONS)
        sample = Sample(IMAGE, (1,), ((1, MASK), (1, ~MASK), (2, MASK)), "a note")
        first = evaluator.evaluate(sample, "a.png", 4)
        evaluator.evaluate(Sample(IMAGE[::-1].copy(), (0,), ()), "b.png", 5)
        assert evaluator.evaluate(sample, "a.png", 4) == first
        elsewhere = evaluator.evaluate(sample, "a.png", 5).methods["gradcam"]
    measured = first.methods["gradcam"]
    assert elsewhere == measured  # wherever it stands in the data set
    assert first.note == "a note"
    assert measured.class_index == 1
    # Several objects of a class are one target: here it is everything.
    assert [each.class_index for each in measured.objects or ()] == [1, 2]
    assert measured.explained_object is not None
    assert measured.explained_object.chance == 1.0


def test_an_image_of_unknown_content_is_neither_right_nor_wrong() -> None:
    network = tiny_classifier()
    with open_pool(network, OPTIONS) as pool:
        explainer = pool.get(pool.key())
        scorer = Scorer(network, explainer.runtime)
        evaluator = ImageEvaluator({"gradcam": explainer}, explainer, scorer, OPTIONS)
        result = evaluator.evaluate(Sample(IMAGE, (), ()), "a.png", 0)
    assert (result.top1, result.top3) == (None, None)
    assert result.methods["gradcam"].class_index == result.predictions[0].class_index
    assert result.methods["gradcam"].objects == ()
