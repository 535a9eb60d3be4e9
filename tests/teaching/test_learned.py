"""What a head goes by is said, where it is so and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.teaching.examples import Burst, Examples, make_burst
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.learned import Learned
from live_gradcam.teaching.lesson import learn
from live_gradcam.teaching.motion import find_moved
from tests.teaching.sessions import session, show, wall
from tests.teaching.support import clouds, small_classifier

_NAMES = ("mug", "茶壶", "vase")


def _learned(seed: int, walls: str, *, same_object: bool) -> Learned:
    shapes = np.random.default_rng(seed).permutation(16)[:3].tolist()
    shown = session(seed, walls, shapes[:1] * 3 if same_object else shapes, frames=10)
    examples = Examples()
    with FeatureExtractor(small_classifier()) as extractor:
        for index, each in shown:
            frames = extractor.extract(each.frames)
            examples = examples.with_burst(make_burst(_NAMES[index], frames, extractor))
    return learn(examples).learned


def _named(learned: Learned) -> bool:
    return any(each.by_background or each.one_background for each in learned.classes)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("same_object", [True, False])
def test_a_class_that_was_always_before_one_wall_is_named(seed: int, same_object: bool) -> None:
    learned = _learned(seed + 10 * same_object, "own", same_object=same_object)
    named = [each for each in learned.classes if each.by_background or each.one_background]
    assert named
    for each in named:
        assert any(each.label in sentence for sentence in learned.sentences)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("walls", ["one", "new"])
def test_an_honest_set_is_not_named(seed: int, walls: str) -> None:
    assert not _named(_learned(seed, walls, same_object=False))


def test_a_class_that_can_only_be_told_by_its_wall_is_told_by_it() -> None:
    """The same object before a wall for each class: covered, it is still named."""
    learned = _learned(3, "own", same_object=True)
    told = [each for each in learned.classes if each.by_background]
    assert told
    assert f"it knows {told[0].label} by what is behind it" in learned.sentences[0]


def test_what_moves_is_found_and_covered() -> None:
    for seed in range(4):
        shown = show(seed, wall(seed), seed)
        found = find_moved(shown.frames)
        assert found is not None
        assert len(found.moved) == 3
        for each in found.moved:
            object_here = shown.masks[each.index]
            assert (object_here & each.mask).sum() >= 0.97 * object_here.sum()
            outside = ~each.mask
            assert np.array_equal(each.covered[outside], shown.frames[each.index][outside])


def test_nothing_is_said_where_the_camera_moves_or_nothing_does() -> None:
    large = np.tile(wall(1), (2, 2, 1))
    panned = [large[3 * i : 3 * i + 200, 9 * i : 9 * i + 200].copy() for i in range(12)]
    assert find_moved(panned) is None
    still = find_moved([wall(2)] * 12)
    assert still is not None
    assert still.moved == []
    assert find_moved(panned[:3]) is None


def test_held_out_bursts_make_accuracy_and_confusion() -> None:
    learned = learn(clouds(4, bursts=3, frames=5)).learned
    assert learned.accuracy == 1.0
    assert np.array_equal(learned.confusion, 15 * np.eye(4, dtype=int))
    assert learned.sentences == ()


def test_a_class_of_one_burst_is_not_asked() -> None:
    examples = clouds(3, bursts=2)
    extra = Burst("only once", np.full((4, 12), 9.0, np.float32))
    learned = learn(examples.with_burst(extra)).learned
    assert learned.classes[3].accuracy is None
    assert learned.classes[0].accuracy == 1.0
    assert "only once" in learned.sentences[-1]


def test_two_classes_with_the_same_pictures_are_named_and_equally_likely() -> None:
    examples = clouds(2, bursts=2)
    twins = [Burst("twin", each.features) for each in examples.bursts if each.label == "class 0"]
    for each in twins:
        examples = examples.with_burst(each)
    lesson = learn(examples)
    assert lesson.learned.same_pictures == (("class 0", "twin"),)
    assert "cannot be told apart" in lesson.learned.sentences[0]
    shares = lesson.head.probabilities(twins[0].features)
    np.testing.assert_allclose(shares[:, 0], shares[:, 2], atol=1e-4)


def test_200_classes_are_told_apart() -> None:
    learned = learn(clouds(200, bursts=2, frames=2, size=40)).learned
    assert learned.accuracy is not None
    assert learned.accuracy >= 0.95
