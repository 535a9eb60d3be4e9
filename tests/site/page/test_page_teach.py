"""Teaching on the page: the same heads as Python's, kept in the browser, and what they go by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import live_gradcam as lg
from live_gradcam.explain.load import load_classifier
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from live_gradcam.teaching.examples import Burst, Examples, Moving
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.fit import fit_head
from live_gradcam.teaching.lesson import learn
from live_gradcam.teaching.motion import WALL, find_moved, is_same_wall, share_of_cells
from live_gradcam.teaching.validation import folds_of, validate
from live_gradcam.values import Image
from tests.teaching.sessions import session, show, wall
from tests.teaching.support import clouds

from .test_page_numbers import _READ, EXPLAIN_PIXELS, floats, text_of
from .visits import Visit, visiting

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

FITTED = "!liveGradcam.teaching.working && liveGradcam.teaching.learned"
# Of a head that was fitted twice: of probabilities, and of the largest score.
PROBABILITY, SCORE = 1e-3, 1e-3


def _written(burst: Burst) -> dict[str, Any]:
    """A burst as the page has it, but for arrays, which are texts."""
    moving = burst.moving
    return {
        "name": burst.name,
        "label": burst.label,
        "features": text_of(burst.features.astype(np.float32)),
        "count": len(burst),
        "moving": None
        if moving is None
        else {
            "count": len(moving.maps),
            "maps": text_of(moving.maps.astype(np.float32)),
            "share": text_of(moving.share),
            "covered": text_of(moving.covered),
            "wall": text_of(moving.wall),
        },
    }


_EXAMPLES = (
    _READ
    + """
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);
const examplesOf = ({ labels, bursts, channels }) => ({
  labels,
  channels,
  bursts: bursts.map((burst) => ({
    ...burst,
    features: floatsOf(burst.features),
    moving: burst.moving && {
      count: burst.moving.count,
      maps: floatsOf(burst.moving.maps),
      share: floatsOf(burst.moving.share),
      covered: floatsOf(burst.moving.covered),
      wall: bytesOf(burst.moving.wall),
    },
  })),
});
"""
)


def _given(examples: Examples) -> dict[str, Any]:
    channels = examples.bursts[0].features.shape[1]
    bursts = [_written(each) for each in examples.bursts]
    return {"labels": list(examples.labels), "bursts": bursts, "channels": channels}


@pytest.mark.parametrize(
    ("classes", "count", "channels"), [(2, 30, 12), (3, 40, 96), (9, 120, 20)], ids=str
)
@pytest.mark.parametrize("strength", [0.001, 1.0])
def test_a_head_is_pythons(
    visit: Visit, classes: int, count: int, channels: int, strength: float
) -> None:
    rng = np.random.default_rng(classes)
    features = rng.normal(0, 1, (count, channels)).astype(np.float32)
    features[:, 3] = 0.25  # never changes
    truth = np.arange(count) % classes
    features[np.arange(count), truth] += 1.5
    head = fit_head(features, truth, classes, strength=strength)

    found = visit.run(
        """([features, channels, classes, count, strength]) => import("./js/teaching/fit.js").then(({ Problem }) => {"""
        + _EXAMPLES
        + """
          const { weight, bias } = new Problem(floatsOf(features), channels, classes, count).solve(strength);
          return { weight: written(weight), bias: written(bias) };
        })""",
        [text_of(features), channels, truth.tolist(), classes, strength],
    )

    weight, bias = floats(found["weight"]).reshape(classes, channels), floats(found["bias"])
    scores, expected = features @ weight.T + bias, head.logits(features)
    assert np.abs(scores - expected).max() <= SCORE * np.abs(expected).max()
    raised = np.exp(scores - scores.max(1, keepdims=True))
    shares = raised / raised.sum(1, keepdims=True)
    assert np.abs(shares - head.probabilities(features)).max() <= PROBABILITY
    assert np.abs(weight[:, 3]).max() == 0.0


def _with_moving(examples: Examples, seed: int) -> Examples:
    """The same, with something that moves in every burst before walls, two of them alike."""
    rng = np.random.default_rng(seed)
    channels = examples.bursts[0].features.shape[1]
    walls = rng.integers(20, 230, (len(examples.labels), WALL, WALL, 4), np.uint8)
    walls[..., 3] = 255
    walls[1] = walls[0]
    bursts = []
    for each in examples.bursts:
        index = examples.labels.index(each.label)
        middle = each.features[:2] + rng.normal(0, 0.3, (2, channels))
        maps = rng.normal(0, 1, (2, channels, 3, 4)).astype(np.float16)
        share = rng.random((2, 3, 4), np.float32)
        moving = Moving(maps, share, middle.astype(np.float32), walls[index])
        name = f"burst {len(bursts)}"
        bursts.append(Burst(each.label, each.features, name, moving))
    return Examples(examples.labels, tuple(bursts))


def test_what_was_learned_is_what_python_says(visit: Visit) -> None:
    once = Burst("only once", np.full((4, 12), 9.0, np.float32), "once")
    examples = _with_moving(clouds(4, bursts=3, frames=5), 3).with_burst(once)
    lesson, validation = learn(examples), validate(examples)

    found = visit.run(
        """(given) => Promise.all(["validation", "fit", "learned"].map((name) => import(`./js/teaching/${name}.js`)))
          .then(async ([{ validate, foldsOf }, { Problem }, { describeLearned, sentencesOf }]) => {"""
        + _EXAMPLES
        + """
          const { site } = liveGradcam.session;
          const examples = examplesOf(given);
          const validation = await validate(examples, site.teaching, async () => {});
          const { classesOf, joined } = await import("./js/teaching/examples.js");
          const features = joined(examples.bursts.map((each) => each.features));
          const problem = new Problem(features, examples.channels, classesOf(examples, examples.bursts), examples.labels.length);
          const learned = describeLearned(examples, problem.solve(validation.strength), validation, site.teaching.anything_else);
          return {
            folds: foldsOf(examples.bursts, site.teaching.most_folds),
            answers: validation.answers,
            learned,
            sentences: sentencesOf(learned, site.texts),
          };
        })""",
        _given(examples),
    )

    assert found["folds"] == folds_of(examples)
    assert found["answers"] == [
        None if each is None else each.tolist() for each in validation.answers
    ]
    expected, learned = lesson.learned, found["learned"]
    assert learned["strength"] == validation.strength
    assert learned["confusion"] == expected.confusion.tolist()
    for ours, theirs in zip(learned["classes"], expected.classes, strict=True):
        assert (ours["label"], ours["examples"]) == (theirs.label, theirs.examples)
        for name, value in (
            ("accuracy", theirs.accuracy),
            ("movingShare", theirs.moving_share),
            ("covered", theirs.covered),
            ("coveredOthers", theirs.covered_others),
        ):
            assert ours[name] == (None if value is None else pytest.approx(value, abs=2e-3)), name
        assert (ours["byBackground"], ours["oneBackground"]) == (
            theirs.by_background,
            theirs.one_background,
        )
    assert found["sentences"] == list(expected.sentences)
    assert any(each.by_background or each.one_background for each in expected.classes)


SEE = (
    """([frames, width, height]) => import("./js/teaching/motion.js").then(({ findMoved, shareOfCells }) => {"""
    + _READ
    + """
  const found = findMoved(frames.map(bytesOf), width, height);
  return found && {
    wall: written(found.wall),
    moved: found.moved.map(({ index, mask, covered }) => ({
      index,
      mask: written(mask),
      covered: written(covered),
      share: written(shareOfCells(mask, width, height, 7, 5)),
    })),
  };
})"""
)


def _see(visit: Visit, frames: Sequence[Image]) -> Any:
    height, width = frames[0].shape[:2]
    return visit.run(SEE, [[text_of(each[..., ::-1]) for each in frames], width, height])


def _bytes(text: str) -> NDArray[np.uint8]:
    return floats(text).view(np.uint8)


@pytest.mark.parametrize("seed", [0, 3])
def test_what_moves_is_found_where_python_finds_it(visit: Visit, seed: int) -> None:
    shown = show(seed, wall(seed), seed, 12)
    expected = find_moved(shown.frames)
    assert expected is not None

    found = _see(visit, shown.frames)

    assert [each["index"] for each in found["moved"]] == [each.index for each in expected.moved]
    for ours, theirs in zip(found["moved"], expected.moved, strict=True):
        mask = _bytes(ours["mask"]).reshape(theirs.mask.shape).astype(bool)
        # Edges of a filled hull are drawn with other roundings.
        assert (mask != theirs.mask).sum() <= 0.03 * theirs.mask.sum()
        covered = _bytes(ours["covered"]).reshape(theirs.covered.shape)[..., ::-1]
        # What is filled in is another interpolation of the same surroundings.
        apart = np.abs(covered.astype(int) - theirs.covered)[mask & theirs.mask]
        assert np.median(apart) <= 6
        share = floats(ours["share"]).reshape(7, 5)
        assert np.abs(share - share_of_cells(theirs.mask, 7, 5)).max() <= 0.1
    own = _bytes(found["wall"]).reshape(WALL, WALL, 4)[..., [2, 1, 0, 3]]
    assert is_same_wall(own, expected.wall)
    assert np.abs(own[..., :3].astype(int) - expected.wall[..., :3]).max() <= 1


def test_nothing_is_said_where_the_camera_moves(visit: Visit) -> None:
    large = np.tile(wall(1), (2, 2, 1))
    panned = [large[3 * i : 3 * i + 200, 9 * i : 9 * i + 200].copy() for i in range(12)]
    assert _see(visit, panned) is None
    assert _see(visit, [wall(2)] * 12)["moved"] == []
    assert _see(visit, panned[:3]) is None
