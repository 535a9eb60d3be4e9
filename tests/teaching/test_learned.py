"""What a head goes by is said, where it is so and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from live_gradcam import load_classifier
from live_gradcam.teaching.examples import ANYTHING_ELSE, Burst, Examples, Moving, make_burst
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.fit import FittedHead
from live_gradcam.teaching.learned import Learned, describe_learned
from live_gradcam.teaching.lesson import learn
from live_gradcam.teaching.motion import find_moved, is_same_wall
from live_gradcam.teaching.validation import Validation, folds_of
from tests.teaching.sessions import session, show, wall
from tests.teaching.support import clouds, small_classifier

_NAMES = ("mug", "茶壶", "vase")


@pytest.fixture(scope="module")
def small() -> Iterator[FeatureExtractor]:
    """Of a small network that sees walls as well as objects."""
    with FeatureExtractor(small_classifier()) as made:
        yield made


@pytest.fixture(scope="module")
def bundled() -> Iterator[FeatureExtractor]:
    """Of the bundled network, which was trained to see objects."""
    with FeatureExtractor(load_classifier("scenes")) as made:
        yield made


def _learned(
    extractor: FeatureExtractor, seed: int, walls: str, *, same_object: bool, frames: int = 8
) -> Learned:
    shapes = np.random.default_rng(seed).permutation(16)[:3].tolist()
    shown = session(seed, walls, shapes[:1] * 3 if same_object else shapes, frames=frames)
    examples = Examples()
    for index, each in shown:
        found = extractor.extract(each.frames)
        examples = examples.with_burst(make_burst(_NAMES[index], found, extractor))
    return learn(examples).learned


@pytest.mark.parametrize("seed", range(20))
def test_what_can_only_be_told_by_its_wall_is_told_by_it(
    seed: int, small: FeatureExtractor
) -> None:
    """The same object before a wall for each class: with the object covered it is still named."""
    learned = _learned(small, seed, "own", same_object=True)
    told = [each for each in learned.classes if each.by_background]
    assert len(told) >= 2
    for each in told:
        said = f"it knows {each.label} by what is behind it: cover the {each.label} and it still"
        assert any(sentence.startswith(said) for sentence in learned.sentences)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("walls", ["one", "new"])
def test_an_honest_set_is_not_named(seed: int, walls: str, small: FeatureExtractor) -> None:
    learned = _learned(small, seed, walls, same_object=False)
    assert not any(each.by_background or each.one_background for each in learned.classes)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("walls", ["own", "one", "new"])
def test_a_network_that_sees_objects_is_warned_of_one_wall_only(
    seed: int, walls: str, bundled: FeatureExtractor
) -> None:
    """It can tell three objects without their walls, and yet nothing says that it will."""
    learned = _learned(bundled, seed, walls, same_object=False)
    assert [each.one_background for each in learned.classes] == [walls == "own"] * 3
    assert walls == "own" or not any(each.by_background for each in learned.classes)


def _by_hand(
    covered: Moving | None, answers: Sequence[Sequence[int]]
) -> tuple[Learned, FittedHead]:
    """What is learned by a head of two features that is given, about two classes of two bursts."""
    weight = np.array([[2.0, -1.0], [-2.0, 1.0]], np.float32)
    head = FittedHead(weight, np.array([0.5, -0.5], np.float32), 1.0, np.zeros((2, 3)))
    features = np.ones((2, 2), np.float32)
    bursts = [Burst(label, features, moving=covered) for label in ("a", "a", "b", "b")]
    examples = Examples(("a", "b"), tuple(bursts))
    found = tuple(np.array(each, np.int64) for each in answers)
    return describe_learned(examples, head, Validation(1.0, 1.0, found, (None,) * 4)), head


def test_figures_are_those_of_their_definitions() -> None:
    maps = np.array([[[[3, 1], [0, 0]], [[0, 0], [0, 4]]]], np.float16)  # of each feature
    share = np.array([[[1.0, 0.5], [0.0, 0.25]]], np.float32)
    covered = np.array([[0.5, 1.0]], np.float32)
    moving = Moving(maps, share, covered, np.zeros((24, 24, 4), np.uint8))
    learned, head = _by_hand(moving, [[0, 0], [0, 1], [1, 1], [0, 0]])
    first, second = learned.classes
    # Positive evidence for a: 6 and 2 where the first feature is; for b: 4 where the second is.
    assert first.moving_share == pytest.approx((6 * 1.0 + 2 * 0.5) / 8)
    assert second.moving_share == pytest.approx(0.25)
    logits = head.weight @ covered[0] + head.bias
    shares = np.exp(logits) / np.exp(logits).sum()
    assert [first.covered, first.covered_others] == pytest.approx([shares[0]] * 2)
    assert second.covered == pytest.approx(shares[1])
    assert (first.accuracy, second.accuracy, learned.accuracy) == (0.75, 0.5, 0.625)
    assert learned.confused() == [("b", "a", 2), ("a", "b", 1)]
    assert learned.confusions(1) == ("b was taken for a: 2 of 4",)
    assert learned.headline == "right about 62 % of 8 examples of bursts that were held out"
    record = json.loads(json.dumps(learned.as_record()))
    assert [each["accuracy"] for each in record["classes"]] == [0.75, 0.5]
    assert record["sentences"][0] == learned.headline


def test_a_table_is_not_told_by_what_is_behind_it(small: FeatureExtractor) -> None:
    """What is none of the classes is a background, and no object that hides one."""
    examples = Examples()
    for label, behind in (("mug", 1), (ANYTHING_ELSE, 2), ("mug", 1), (ANYTHING_ELSE, 2)):
        frames = small.extract(show(2, wall(behind), behind, 8).frames)
        examples = examples.with_burst(make_burst(label, frames, small))
    mug, table = learn(examples).learned.classes
    assert mug.by_background
    assert not table.by_background
    assert not table.one_background


def test_parts_of_one_film_are_said_to_be_alike() -> None:
    rng = np.random.default_rng(0)
    names = {"a": "a/film:1:2#{}/2", "b": "b/pic {}#1/1"}
    bursts = [
        Burst(label, rng.normal(index, 0.1, (4, 3)).astype(np.float32), name.format(number))
        for index, (label, name) in enumerate(names.items())
        for number in (1, 2)
    ]
    learned = learn(Examples(("a", "b"), tuple(bursts))).learned
    assert [each.one_film for each in learned.classes] == [True, False]
    assert learned.sentences == ("held out by parts of one film only, which are much alike: a",)


def test_a_film_of_several_is_held_out_as_a_whole() -> None:
    one = np.zeros((2, 3), np.float32)
    names = ["x#1/3", "x#2/3", "x#3/3", "y#1/2", "y#2/2", "z#1/1"]
    examples = Examples(("a", "b"), tuple(Burst("a", one, each) for each in names))
    examples = examples.with_burst(Burst("b", one, "w#1/2")).with_burst(Burst("b", one, "w#2/2"))
    assert folds_of(examples) == [0, 0, 0, 1, 1, 2, 0, 1]


def test_walls_that_are_alike_are_neither_one_nor_two() -> None:
    plain = np.full((24, 24, 4), 200, np.uint8)
    lines, dark = plain.copy(), plain.copy()
    lines[::2, :, :3] -= 20
    dark[..., :3] //= 4
    brighter = plain.copy()
    brighter[..., :3] = 230
    assert is_same_wall(plain, brighter) is True  # the light is another one
    assert is_same_wall(plain, lines) is None
    assert is_same_wall(lines, plain) is None
    assert is_same_wall(plain, dark) is False
    plain[..., 3] = 0
    assert is_same_wall(plain, brighter) is None  # nothing of it is seen


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
            # Where other frames show what is behind it, that is what is seen now.
            inside = np.abs(each.covered.astype(int) - shown.wall)[each.mask].max(1)
            assert np.median(inside) <= 8


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
    learned = learn(clouds(200, bursts=2, frames=2, size=24)).learned
    assert learned.accuracy is not None
    assert learned.accuracy >= 0.95
