"""Teaching on the page: the same heads as Python's, kept in the browser, and what they go by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

from .test_page_numbers import floats, text_of
from .visits import READ, Visit, visiting

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")


@pytest.fixture(scope="module")
def page_name() -> str:
    """Numbers are compared with the network's own."""
    return "exact"


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
    READ
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
    truth = np.arange(count) % classes
    features[np.arange(count), truth] += 1.5
    features[:, 11] = 0.25  # never changes
    head = fit_head(features, truth, classes, strength=strength)

    found = visit.run(
        """async ([features, channels, classes, count, strength]) => {"""
        + _EXAMPLES
        + """
          const { Problem } = await import("./js/teaching/fit.js");
          const problem = new Problem(floatsOf(features), channels, classes, count);
          const { weight, bias } = problem.solve(strength);
          return { weight: written(weight), bias: written(bias) };
        }""",
        [text_of(features), channels, truth.tolist(), classes, strength],
    )

    weight, bias = floats(found["weight"]).reshape(classes, channels), floats(found["bias"])
    scores, expected = features @ weight.T + bias, head.logits(features)
    assert np.abs(scores - expected).max() <= SCORE * np.abs(expected).max()
    raised = np.exp(scores - scores.max(1, keepdims=True))
    shares = raised / raised.sum(1, keepdims=True)
    assert np.abs(shares - head.probabilities(features)).max() <= PROBABILITY
    assert np.abs(weight[:, 11]).max() == 0.0


def _with_moving(examples: Examples, seed: int) -> Examples:
    """The same, with something that moves in every burst before walls, two of them alike."""
    rng = np.random.default_rng(seed)
    channels = examples.bursts[0].features.shape[1]
    walls = rng.integers(20, 230, (len(examples.labels), WALL, WALL, 4), np.uint8)
    walls[..., 3] = 255
    walls[1] = walls[0]
    bursts: list[Burst] = []
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
        """async (given) => {"""
        + _EXAMPLES
        + """
          const { site } = liveGradcam.session;
          const { classesOf, joined } = await import("./js/teaching/examples.js");
          const { calibrated, Problem } = await import("./js/teaching/fit.js");
          const { validate, foldsOf } = await import("./js/teaching/validation.js");
          const { describeLearned, sentencesOf } = await import("./js/teaching/learned.js");
          const { anything_else: other, most_folds: folds } = site.teaching;
          const examples = examplesOf(given);
          const { bursts, channels, labels } = examples;
          const validation = await validate(examples, site.teaching, async () => {});
          const features = joined(bursts.map((each) => each.features));
          const classes = classesOf(examples, bursts);
          const head = new Problem(features, channels, classes, labels.length);
          const fitted = calibrated(head.solve(validation.strength), validation.temperature);
          const learned = describeLearned(examples, fitted, validation, other);
          return {
            folds: foldsOf(bursts, folds),
            answers: validation.answers,
            temperature: validation.temperature,
            learned,
            sentences: sentencesOf(learned, site.texts),
          };
        }""",
        _given(examples),
    )

    assert found["folds"] == folds_of(examples)
    assert found["answers"] == [
        None if each is None else each.tolist() for each in validation.answers
    ]
    expected, learned = lesson.learned, found["learned"]
    assert learned["strength"] == validation.strength
    assert found["temperature"] == pytest.approx(validation.temperature, rel=1e-2)
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
    """async ([frames, width, height]) => {"""
    + READ
    + """
  const { findMoved, shareOfCells } = await import("./js/teaching/motion.js");
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
}"""
)


def _see(visit: Visit, frames: Sequence[Image]) -> Any:
    height, width = frames[0].shape[:2]
    return visit.run(SEE, [[text_of(each[..., ::-1]) for each in frames], width, height])


def _bytes(text: str) -> NDArray[np.uint8]:
    return floats(text).view(np.uint8)


@pytest.mark.parametrize(("seed", "side"), [(0, 224), (3, 288)])
def test_what_moves_is_found_where_python_finds_it(visit: Visit, seed: int, side: int) -> None:
    shown = show(seed, wall(seed), seed, 12)
    frames = [np.asarray(cv2.resize(each, (side, side)), np.uint8) for each in shown.frames]
    expected = find_moved(frames)
    assert expected is not None

    found = _see(visit, frames)

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


OFFER = (
    """async (png) => {"""
    + READ
    + """
  const bitmap = await createImageBitmap(new Blob([bytesOf(png)]));
  const { session } = liveGradcam;
  session.offer({ bitmap, name: "camera", live: true, seconds: null });
  while (session.busy || session.waiting) await new Promise((done) => setTimeout(done, 2));
  return session.shown.explanation.predictions;
}"""
)
NAMES = """() => Array.from(
  document.querySelectorAll("#teach-classes input[type=text]"), (each) => each.value)"""
COUNTS = """() => Array.from(
  document.querySelectorAll("#teach-classes output"), (each) => parseInt(each.textContent))"""


def _offer(visit: Visit, image: Image) -> dict[str, float]:
    """Show the page a frame of a camera; probabilities by label."""
    found = visit.run(OFFER, text_of(cv2.imencode(".png", image)[1]))
    return {each["label"]: each["probability"] for each in found}


def _show(visit: Visit, key: str, frames: Sequence[Image]) -> None:
    """Hold a class's key while the camera sees frames."""
    visit.page.keyboard.down(key)
    for each in frames:
        _offer(visit, each)
    visit.page.keyboard.up(key)


def _open_tab(visit: Visit) -> None:
    visit.page.locator("#tab-teach").focus()
    visit.page.keyboard.press("Enter")
    visit.wait_until("document.querySelectorAll('#teach-classes li').length > 1")
    visit.page.locator("#tab-teach").focus()


def _frames(shape: int, behind: Image, seed: int, count: int = 6) -> list[Image]:
    return show(shape, behind, seed, count).frames


@contextmanager
def _teaching(chromium: Any, address: str) -> Iterator[tuple[Visit, int]]:
    with visiting(chromium, address, permissions=["camera"]) as visit:
        visit.wait_until("Boolean(navigator.serviceWorker.controller)")
        visit.page.wait_for_load_state("networkidle")
        _open_tab(visit)
        yield visit, len(visit.requests)


@pytest.fixture(scope="module")
def taught(chromium: Any, address: str) -> Iterator[Visit]:
    """A page that was taught a square and a spiral before two walls, by keys alone."""
    with _teaching(chromium, address) as (visit, _):
        visit.page.uncheck("#truth")
        keyboard = visit.page.keyboard
        keyboard.press("+")
        keyboard.type("茶壶")
        keyboard.press("Enter")
        visit.page.locator("#tab-teach").focus()
        _show(visit, "0", [wall(5), wall(6)])
        for burst in range(2):
            behind = wall(5 + burst)
            _show(visit, "1", _frames(2, behind, 31 + burst))
            _show(visit, "2", _frames(9, behind, 41 + burst))
        visit.wait_until(FITTED)
        yield visit


def test_what_is_taught_is_known_again(taught: Visit) -> None:
    assert taught.run(NAMES) == ["anything else", "class 1", "茶壶"]
    assert taught.run(COUNTS) == [2, 12, 12]
    for shape, label in ((2, "class 1"), (9, "茶壶")):
        for seed in (71, 72):
            found = _offer(taught, _frames(shape, wall(5 + seed % 2), seed, 1)[0])
            assert max(found, key=lambda each: found[each]) == label
    assert max((found := _offer(taught, wall(6))), key=lambda each: found[each]) == "anything else"
    assert "Right about 100 % of 24 examples" in taught.text("#teach-line")
    assert "of the evidence for 茶壶 lies on what moves" in taught.text("#teach-learned")
    assert "told by" not in taught.text("#teach-learned")
    assert "3 taught classes" in taught.text("#model")


def test_maps_and_biases_are_the_scores(taught: Visit) -> None:
    _offer(taught, _frames(9, wall(5), 73, 1)[0])
    apart = taught.run(
        """() => {
          const { shown, model } = liveGradcam.session;
          const { scores, evidence } = shown.explanation;
          const size = evidence.rows * evidence.columns;
          return Array.from(scores, (score, index) => {
            const map = evidence.data.subarray(index * size, (index + 1) * size);
            return Math.abs(map.reduce((a, b) => a + b, model.bias[index]) - score);
          });
        }"""
    )
    assert len(apart) == 3
    assert max(apart) <= 1e-4


def test_one_key_goes_back_to_the_networks_own_classes(taught: Visit) -> None:
    own = load_classifier("scenes").labels
    taught.page.locator("#tab-teach").focus()
    taught.page.keyboard.press("o")
    assert set(_offer(taught, _frames(9, wall(5), 74, 1)[0])) < set(own)
    assert taught.text("#teach-own") == "Show the 3 taught classes"
    taught.page.keyboard.press("o")
    assert "茶壶" in _offer(taught, _frames(9, wall(5), 74, 1)[0])


def test_a_saved_head_is_the_same_in_python(taught: Visit, tmp_path: Path) -> None:
    with taught.page.expect_download() as download:
        taught.page.click("#teach-save")
    path = tmp_path / "teapots.safetensors"
    download.value.save_as(path)
    image = _frames(9, wall(6), 75, 1)[0]
    found = _offer(taught, image)

    classifier = lg.load_classifier(weights=path)

    assert classifier.labels == ("anything else", "class 1", "茶壶")
    with lg.Explainer(classifier, device="cpu") as explainer:
        explanation = explainer.explain(image)
    for each in explanation.predictions:
        assert found[each.label] == pytest.approx(each.probability, abs=2e-3)
    taught.page.set_input_files("#teach-file", str(path))
    taught.wait_until("document.getElementById('teach-line').textContent.includes('teapots')")
    again = _offer(taught, image)
    assert again == {label: pytest.approx(share, abs=1e-5) for label, share in found.items()}


def test_a_wrong_file_is_refused_in_one_sentence(taught: Visit, tmp_path: Path) -> None:
    path = tmp_path / "no.safetensors"
    path.write_bytes(b"no head at all")
    taught.page.set_input_files("#teach-file", str(path))
    assert "no.safetensors is no taught head" in taught.failure()


def test_the_tab_is_usable_by_everybody(taught: Visit) -> None:
    axe = axe_playwright.Axe()
    for width in (1280, 360):
        taught.page.set_viewport_size({"width": width, "height": 800})
        found = axe.run(taught.page)
        assert found.violations_count == 0, found.generate_report()
        assert taught.run("() => document.documentElement.scrollWidth") <= width
    taught.page.set_viewport_size({"width": 1280, "height": 720})


def test_another_visit_goes_on_with_what_was_taught(taught: Visit) -> None:
    before = taught.run(COUNTS)
    taught.page.reload()
    taught.wait_until("document.body.dataset.state === 'explained'")
    _open_tab(taught)
    taught.wait_until(FITTED)
    assert taught.run(COUNTS) == before
    assert "3 classes, 26 examples" in taught.text("#teach-line")
    found = _offer(taught, _frames(9, wall(5), 76, 1)[0])
    assert max(found, key=lambda each: found[each]) == "茶壶"
    taught.page.keyboard.press("Backspace")
    assert taught.run(COUNTS) == [2, 12, 6]


def test_a_cheat_is_named(taught: Visit) -> None:
    """The same object before a wall of each class: covered, it is still told."""
    taught.page.click("#teach-forget")
    taught.wait_until("liveGradcam.teaching.lesson.total === 0")
    taught.page.click("#teach-add")
    taught.page.locator("#tab-teach").focus()
    for index, shown in session(3, "own", (4, 4), frames=6):
        _show(taught, str(index + 1), shown.frames)
    taught.wait_until(FITTED)
    told = r"It knows (class \d) by what is behind it: cover the \1 and it still says \1"
    assert re.search(told, taught.text("#teach-learned"))


def test_the_camera_teaches_and_nothing_is_sent(chromium: Any, address: str) -> None:
    with _teaching(chromium, address) as (visit, requests):
        visit.page.click("#teach-start")
        visit.wait_until("liveGradcam.teaching.lesson.bursts.length === 2")
        assert visit.run("() => liveGradcam.teaching.lesson.labels[0]") == "anything else"
        button = visit.page.locator("#teach-classes li:nth-child(2) .hold")
        for _ in range(2):
            before = visit.run(COUNTS)[1]
            button.hover()
            visit.page.mouse.down()
            visit.wait_until(f"({COUNTS})()[1] > {before}")
            visit.page.mouse.up()
        visit.wait_until(FITTED)
        assert json.loads(str(visit.run("() => JSON.stringify(liveGradcam.session.model.labels)")))[
            1
        ]
        # The scripts of the second worker are the page's own.
        sent = [each for each in visit.requests[requests:] if not each.startswith(f"{address}js/")]
        assert [each for each in sent if not each.startswith(("blob:", "data:"))] == []
        visit.page.click("#teach-start")


def test_pictures_are_examples_too(visit: Visit, tmp_path: Path) -> None:
    _open_tab(visit)
    files = []
    for seed in range(2):
        path = tmp_path / f"{seed}.png"
        cv2.imwrite(str(path), render_scene(seed, width=200, height=160).image)
        files.append(str(path))
    visit.page.set_input_files("#teach-classes li:nth-child(2) input[type=file]", files)
    visit.wait_until(f"({COUNTS})()[1] === 6")
    image = cv2.imread(files[1])
    assert image is not None
    found = visit.run(
        "() => liveGradcam.teaching.lesson.bursts.map((each) => Array.from(each.features))"
    )
    with FeatureExtractor(load_classifier("scenes")) as extractor:
        expected = extractor.extract([np.asarray(image, np.uint8)])[0].pooled
    own = np.array(found[1], np.float32).reshape(3, -1)[0]
    np.testing.assert_allclose(own, expected, atol=1e-3 * np.abs(expected).max())
    assert "Show a second class" in visit.text("#teach-line")
