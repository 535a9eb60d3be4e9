"""A session: what keys change, what stays steady, what is left behind, and how it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.capture.camera import CameraInfo
from live_gradcam.capture.live_scene import LiveScene
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.errors import SinkError, SourceError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods.table import METHODS, QUICK_METHODS
from live_gradcam.lifecycle import StopToken
from live_gradcam.native import av
from live_gradcam.pipeline import RunOptions
from live_gradcam.session import KEYS, CameraRing, help_lines, keys_markdown, run_session
from live_gradcam.session.feeds import make_endless_feed, make_feed
from live_gradcam.session.keys import press
from live_gradcam.session.outputs import Recording, fresh_paths, save_snapshot
from live_gradcam.session.renderer import Renderer, make_hud
from live_gradcam.session.smoothing import LARGEST_BAND, TAPS, SteadyLabels, SteadyMaps
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.studio import Studio
from live_gradcam.session.worker import ExplainedFrame, Order, tell, wanted_classes
from live_gradcam.show.overlay import Hud, OverlayOptions
from live_gradcam.show.records import RecordSink
from live_gradcam.show.sink import Sink
from live_gradcam.show.votes import spot_at
from live_gradcam.timing import StepProgress
from live_gradcam.values import Explanation, Frame, Image, Prediction, SourceInfo
from tests.helpers.live import tiny_classifier

START = SessionState(overlay=OverlayOptions(), layer="layer4")
LABELS = tuple(
    Prediction(index, label, 1.0 - index, 0.6 / (index + 1))
    for index, label in enumerate(("mug", "teapot", "vase"))
)
HERE = Situation(
    predictions=LABELS, explained=0, layers=lambda: ("layer2", "layer3", "layer4"), advance="camera"
)


def after(*keys: str, situation: Situation = HERE, state: SessionState = START) -> SessionState:
    for key in keys:
        state = press(state, key, situation)
    return state


# Keys: what each of them does to the state, once and twice.

EFFECTS: dict[str, tuple[object, object, object]] = {
    # key: what is looked at, after one press, after two
    "q": (lambda s: s.quit, True, True),
    "esc": (lambda s: s.quit, True, True),
    "h": (lambda s: s.show_help, True, False),
    "?": (lambda s: s.show_help, True, False),
    "space": (lambda s: s.frozen, True, False),
    ".": (lambda s: (s.frozen, s.steps), (True, 1), (True, 2)),
    "s": (lambda s: s.snapshots, 1, 2),
    "r": (lambda s: s.recording, True, False),
    "1": (lambda s: s.target, 0, 0),
    "2": (lambda s: s.target, 1, 1),
    "3": (lambda s: s.target, 2, 2),
    **{str(n): (lambda s: s.target, None, None) for n in (4, 5, 6, 7, 8, 9, 0)},
    "a": (lambda s: s.mode, "mosaic", "single"),
    "d": (lambda s: s.mode, "contrast", "single"),
    "e": (lambda s: s.overlay.signed, True, False),
    "j": (lambda s: s.layer, "layer3", "layer2"),
    "l": (lambda s: s.layer, "layer4", "layer4"),
    "k": (
        lambda s: (s.method, s.message),
        ("gradcam++", "method: Grad-CAM++"),
        ("hirescam", "method: HiResCAM"),
    ),
    "v": (lambda s: s.view, "stretch", "full"),
    "b": (lambda s: s.overlay.layout, "side-by-side", "plain"),
    "c": (lambda s: s.overlay.colormap, COLORMAP_NAMES[1], COLORMAP_NAMES[2]),
    "[": (lambda s: s.overlay.opacity, 0.5, 0.4),
    "]": (lambda s: s.overlay.opacity, 0.7, 0.8),
    "m": (lambda s: s.mirror, True, False),
    "f": (lambda s: s.fullscreen, True, False),
    "i": (lambda s: s.show_hud, False, True),
    "n": (lambda s: s.advances, 1, 2),
    "right": (lambda s: s.advances, 1, 2),
    "t": (lambda s: s.truth, True, False),
    "x": (lambda s: (s.scrambled, s.target), (True, 0), (False, None)),
}


def test_every_key_of_the_table_has_its_effect_here_and_stands_there_once() -> None:
    keys = [key for binding in KEYS for key in binding.keys]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(EFFECTS)


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_does_what_it_says(key: str) -> None:
    look, once, twice = EFFECTS[key]
    assert look(after(key)) == once
    assert look(after(key, key)) == twice


def test_the_key_for_methods_goes_round_the_quick_ones_and_names_the_slow_ones() -> None:
    state = after(*["k"] * len(QUICK_METHODS))
    assert state.method == "gradcam"
    assert "scorecam" in state.message
    assert "ablationcam" in state.message
    slow = replace(START, method="scorecam")
    assert after("k", state=slow).method == "gradcam"


def test_maps_are_subtracted_only_where_that_is_right() -> None:
    for method in METHODS.values():
        state = after("d", state=replace(START, method=method.name))
        assert (state.mode == "contrast") == method.contrasts
        if not method.contrasts:
            assert method.title in state.message
            assert "subtracted" in state.message
    fused = after("d", state=replace(START, layer="layer3,layer4"))
    assert (fused.mode, "fused" in fused.message) == ("single", True)
    # A method that allows none ends the contrast that is on the screen.
    state = after("k", state=replace(START, mode="contrast"))
    assert (state.method, state.mode) == ("gradcam++", "single")
    assert after("k", state=replace(START, method="gradcam++", mode="contrast")).mode == "contrast"


@pytest.mark.parametrize("key", ["tab", "y", "up", "ä", "", "f13", "Q"])
def test_unknown_keys_are_ignored(key: str) -> None:
    assert press(START, key, HERE) is START


@given(st.lists(st.sampled_from(sorted(EFFECTS)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_keys_makes_a_state_that_cannot_be(keys: list[str]) -> None:
    state = after(*keys)
    assert 0.0 <= state.overlay.opacity <= 1.0
    assert state.layer in HERE.layers()
    assert state.mode in ("single", "mosaic", "contrast")


def test_holding_goes_on_until_the_top_one_is_followed_again() -> None:
    assert after("2", "c", "e", "m").target == 1
    assert after("2", "0").target is None


def test_scrambling_keeps_the_question_and_restoring_asks_the_old_one_again() -> None:
    assert after("x").target == 0
    assert after("2", "x").target == 1
    assert after("2", "x", "x").target == 1


def test_a_kiosk_has_no_key_that_ends_it() -> None:
    kiosk = replace(HERE, may_quit=False)
    for key in EFFECTS:
        assert not after(key, situation=kiosk).quit
    assert "quit" not in " ".join(help_lines(may_quit=False))


def test_contrast_and_mosaic_say_why_they_cannot_be_shown() -> None:
    alone = replace(HERE, predictions=LABELS[:1])
    for key in "ad":
        state = after(key, situation=alone)
        assert state.mode == "single"
        assert "two labels" in state.message


def test_for_pictures_space_step_and_n_show_the_next_one() -> None:
    pictures = replace(HERE, by_hand=True, advance="picture")
    for key in ("space", ".", "n", "right"):
        assert after(key, situation=pictures).advances == 1
        assert not after(key, situation=pictures).frozen


def test_without_another_camera_the_key_says_so() -> None:
    assert "no next camera" in after("n", situation=replace(HERE, advance=None)).message


def test_the_help_and_the_readme_are_made_from_the_table() -> None:
    assert len(help_lines()) == len(KEYS)
    for binding, line in zip(KEYS, help_lines(), strict=True):
        assert line == f"{binding.shown}: {binding.help}"
        assert f"| {binding.help} |" in keys_markdown()


# Steady labels and maps


def predict(**probabilities: float) -> list[Prediction]:
    names = ["a", "b", "c"]
    found = [Prediction(names.index(n), n, p, p) for n, p in probabilities.items()]
    return sorted(found, key=lambda each: -each.probability)


def tops(steady: SteadyLabels, frames: list[list[Prediction]]) -> list[str]:
    return [steady.update(each)[0].label for each in frames]


def test_labels_that_take_turns_by_a_little_do_not_flicker() -> None:
    frames = [predict(a=0.52, b=0.48), predict(a=0.47, b=0.53)] * 50
    assert set(tops(SteadyLabels(), frames)) == {"a"}


def test_a_clear_winner_is_the_top_label_one_frame_later_at_most() -> None:
    frames = [predict(a=0.95, b=0.05)] * 20 + [predict(a=0.05, b=0.95)] * 3
    assert tops(SteadyLabels(), frames)[20:] in (["b", "b", "b"], ["a", "b", "b"])


def test_a_small_but_lasting_lead_counts_in_the_end() -> None:
    frames = [predict(a=0.55, b=0.45)] * 5 + [predict(a=0.45, b=0.55)] * 20
    found = tops(SteadyLabels(), frames)
    assert found[:8] == ["a"] * 8
    assert found[-1] == "b"


@given(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 3), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_steady_labels_change_the_order_and_nothing_else(
    rows: list[tuple[float, float, float]],
) -> None:
    steady = SteadyLabels()
    for a, b, c in rows:
        given_ = predict(a=a, b=b, c=c)
        assert sorted(steady.update(given_), key=lambda each: each.label) == sorted(
            given_, key=lambda each: each.label
        )


def test_a_label_that_leaves_the_list_is_no_longer_the_top_one() -> None:
    steady = SteadyLabels()
    steady.update(predict(a=0.9, b=0.1))
    assert steady.update(predict(b=0.6, c=0.4))[0].label == "b"


def blob(x: float, noise: np.random.Generator | None = None) -> np.ndarray:
    rows, columns = np.mgrid[0:7, 0:7].astype(np.float32)
    heat = np.exp(-((columns - x) ** 2 + (rows - 3) ** 2) / 3.0)
    if noise is not None:
        heat = heat + noise.normal(0.0, 0.05, heat.shape)
    return heat.astype(np.float32)[None]


@pytest.mark.parametrize("speed", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_moving_blob_is_shown_one_frame_late_and_no_more(speed: float, noisy: bool) -> None:
    noise = np.random.default_rng(0) if noisy else None
    steady = SteadyMaps()
    true = [blob(1.0 + speed * n) for n in range(14)]
    shown = [steady.update((0,), blob(1.0 + speed * n, noise)) for n in range(14)]
    for now, before in zip(shown[4:], true[3:], strict=False):
        # What the eye could see: a thirtieth of full heat, and what is left of the noise.
        assert np.abs(now - before).max() < LARGEST_BAND + 0.02 + (0.15 if noisy else 0.0)
    assert abs(_middle(shown[-1]) - _middle(true[-2])) < (0.3 if noisy else 0.08)


def _middle(heat: np.ndarray) -> float:
    hot = np.maximum(heat[0] - 0.3, 0)
    return float((hot * np.arange(7)).sum() / hot.sum())


def test_smoothing_takes_the_shimmer_away() -> None:
    noise = np.random.default_rng(0)
    raw = [blob(3.0, noise) for _ in range(200)]
    steady = SteadyMaps()
    shown = [steady.update((0,), each) for each in raw]

    def shimmer(maps: list[np.ndarray]) -> float:
        return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(maps)]))

    assert shimmer(shown[3:]) < 0.25 * shimmer(raw[3:])
    assert np.abs(shown[-1] - blob(3.0)).max() < 0.15
    assert sum(TAPS) == pytest.approx(1.0)


def test_a_cut_is_shown_at_once() -> None:
    steady = SteadyMaps()
    for _ in range(5):
        steady.update((0,), blob(0.0))
    assert np.allclose(steady.update((0,), blob(6.0)), blob(6.0))


def test_maps_of_another_class_or_meaning_are_never_mixed() -> None:
    steady = SteadyMaps()
    steady.update((0,), blob(3.0), "layer4")
    assert np.allclose(steady.update((1,), blob(3.2), "layer4"), blob(3.2))
    assert np.allclose(steady.update((1,), blob(3.4), "layer3"), blob(3.4))
    fine = np.ones((1, 14, 14), np.float32)
    assert np.allclose(steady.update((1,), fine, "layer3"), fine)


# Which maps are asked for, and what is told of them


@pytest.fixture(scope="module")
def explainer() -> Iterator[Explainer]:
    with Explainer(tiny_classifier(), compile="off", precision="fp32") as made:
        yield made


@pytest.fixture(scope="module")
def picture() -> Image:
    with SceneSource(seed=1, width=320, height=240, max_frames=1) as scene:
        return next(iter(scene)).image


def order(explainer: Explainer, **changes: object) -> Order:
    made = Order(explainer=explainer, trained=explainer, layer=explainer.classifier.layer)
    return replace(made, **changes)


def test_the_contrast_is_the_gradient_of_the_difference(
    explainer: Explainer, picture: Image
) -> None:
    asked = order(explainer, mode="contrast")
    raw = explainer.explain(picture, classes=wanted_classes(asked, None, ()))
    told = tell(raw, asked, raw.predictions)
    first, second = (p.class_index for p in raw.predictions[:2])
    alone = [explainer.explain(picture, classes=each).evidence[0] for each in (first, second)]
    assert told.explained == (first,)
    assert np.allclose(told.evidence[0], alone[0] - alone[1], atol=1e-6)
    # Closed form: what is left of the difference of the scores is the difference of the biases.
    bias = explainer.classifier.head.bias
    gap = raw.predictions[0].logit - raw.predictions[1].logit
    assert told.evidence.sum() + float(bias[first] - bias[second]) == pytest.approx(gap, abs=1e-4)
    assert told.labels == (f"{raw.predictions[0].label} rather than {raw.predictions[1].label}",)


def test_a_contrast_of_maps_that_cannot_be_subtracted_is_the_first_map(
    explainer: Explainer, picture: Image
) -> None:
    with Explainer(explainer.classifier, compile="off", method="layercam") as other:
        asked = order(other, mode="contrast", method="layercam")
        raw = other.explain(picture, classes="top")
        told = tell(raw, asked, raw.predictions)
    assert told.explained == raw.explained[:1]
    assert np.array_equal(told.evidence, raw.evidence[:1])
    assert "rather than" not in told.labels[0]


def test_the_studio_makes_other_methods_which_reach_the_same_scores(
    explainer: Explainer, picture: Image
) -> None:
    studio = Studio(explainer)
    assert studio.get("d", method="gradcam") is explainer
    assert studio.get("d", method="layercam") is None
    studio.work()
    made = studio.get("d", method="layercam")
    assert made is not None
    theirs, ours = explainer.explain(picture), made.explain(picture)
    assert (made.method, ours.method) == ("layercam", "layercam")
    assert ours.predictions[0].class_index == theirs.predictions[0].class_index
    assert not np.array_equal(ours.evidence, theirs.evidence)
    studio.close()


def test_the_mosaic_shows_the_held_class_first_and_two_others(
    explainer: Explainer, picture: Image
) -> None:
    best = [p.class_index for p in explainer.explain(picture).predictions]
    held = next(index for index in range(16) if index not in best)
    asked = order(explainer, mode="mosaic", target=held)
    raw = explainer.explain(picture, classes=wanted_classes(asked, best[0], tuple(best)))
    told = tell(raw, asked, raw.predictions)
    assert told.explained == (held, *best[:2])
    assert next(p for p in raw.predictions if p.class_index == held).probability > 0


def test_dear_maps_are_made_only_where_they_are_shown(explainer: Explainer) -> None:
    studio = Studio(explainer)
    studio.get("b")
    studio.work()
    dear = studio.get("b")
    assert dear is not None
    assert not dear.classifier.closed_form
    assert wanted_classes(order(dear, pointing=True), 5, (5, 6, 7)) == [5]
    assert wanted_classes(order(dear), None, (5, 6, 7)) is None
    assert wanted_classes(order(dear, mode="contrast"), 5, (5, 6, 7)) == [5, 6]
    assert wanted_classes(order(explainer, pointing=True), 5, (5, 6, 7)) == "all"
    studio.close()


def test_the_studio_offers_the_layers_and_reaches_the_same_scores_from_each(
    explainer: Explainer, picture: Image
) -> None:
    studio = Studio(explainer)
    assert studio.layers() == ()
    studio.work()
    assert studio.layers() == ("a", "b", "c", "d")
    logits = [p.logit for p in explainer.explain(picture).predictions]
    for name in studio.layers():
        studio.get(name)
        studio.work()
        made = studio.get(name)
        assert made is not None
        assert [p.logit for p in made.explain(picture).predictions] == pytest.approx(
            logits, abs=1e-4
        )
    studio.close()


def test_a_spot_tells_the_numbers_of_the_evidence(explainer: Explainer, picture: Image) -> None:
    said = explainer.explain(picture, classes="all")
    region = said.region
    _, rows, columns = said.evidence.shape
    for row, column in ((0, 0), (3, 5), (rows - 1, columns - 1)):
        x = region.x + int((column + 0.5) * region.width / columns)
        y = region.y + int((row + 0.5) * region.height / rows)
        spot = spot_at(said, x, y)
        assert spot is not None
        assert (spot.row, spot.column) == (row, column)
        values = said.evidence[:, row, column]
        ranked = sorted(range(16), key=lambda index: -values[index])
        assert [v.class_index for v in spot.votes_for] == [i for i in ranked[:3] if values[i] > 0]
        assert [v.class_index for v in spot.votes_against] == [
            i for i in ranked[::-1][:3] if values[i] < 0
        ]
        for vote in (*spot.votes_for, *spot.votes_against):
            assert vote.logits == pytest.approx(float(values[vote.class_index]))
            assert vote.label == explainer.classifier.labels[vote.class_index]
    assert spot_at(said, region.x - 1, region.y) is None


# What is left behind


def test_names_are_never_taken_twice(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 23, 12, 0, 0)
    taken = [fresh_paths(tmp_path, (".png", ".json"), now=lambda: noon) for _ in range(3)]
    assert [path.name for path, _ in taken] == [
        "live-gradcam-20261123-120000.png",
        "live-gradcam-20261123-120000-2.png",
        "live-gradcam-20261123-120000-3.png",
    ]
    with pytest.raises(SinkError, match="the folder does not exist"):
        fresh_paths(tmp_path / "absent", (".png",))


def test_a_snapshot_is_the_picture_and_its_record(
    tmp_path: Path, explainer: Explainer, picture: Image
) -> None:
    said = explainer.explain(picture)
    drawn = np.ascontiguousarray(255 - picture)
    path = save_snapshot(tmp_path, Frame(picture, 7, 0.25, "scene"), drawn, said, {"truth": {}})
    from live_gradcam.images import read_image

    assert np.array_equal(read_image(path), drawn)
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["index"] == 7
    assert record["predictions"][0]["label"] == said.predictions[0].label
    assert record["truth"] == {}


def read_film(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]


def test_a_recording_begins_midway_and_ends_at_will(
    tmp_path: Path, explainer: Explainer, picture: Image
) -> None:
    said = explainer.explain(picture)
    info = SourceInfo("camera 0", "camera", live=True, width=320, height=240, fps=30.0)
    path = tmp_path / "show.mp4"
    recording = Recording(path, info)
    for n in range(5):
        recording.write(Frame(picture, 100 + n, 9.0 + n / 30), picture, said)
        time.sleep(0)  # other threads first: the encoder takes its time
    words = recording.finish()
    times = read_film(path)
    assert "5 frames" in words
    assert times == pytest.approx([n / 30 for n in range(5)], abs=1e-3)


def test_a_recording_without_frames_leaves_no_file(tmp_path: Path) -> None:
    info = SourceInfo("camera 0", "camera", live=True, width=320, height=240, fps=30.0)
    (path,) = fresh_paths(tmp_path, (".mp4",))
    Recording(path, info).finish()
    assert not list(tmp_path.iterdir())


# Feeds


class _Failing(Source):
    """Gives some frames, then fails."""

    def __init__(self, picture: Image, frames: int) -> None:
        self._picture = picture
        self._frames = frames
        self.closed = False

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("broken.mp4", "video", live=False, width=320, height=240, fps=1000.0)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._frames):
            yield Frame(self._picture, index, index / 1000)
        raise SourceError("cannot read video", "broken.mp4", "it is broken")

    def close(self) -> None:
        self.closed = True


def drain(feed: object, frames: int, seconds: float = 10.0) -> list[Frame]:
    found: list[Frame] = []
    deadline = time.monotonic() + seconds
    while len(found) < frames and time.monotonic() < deadline:
        frame = feed.next(0.05)  # type: ignore[attr-defined]
        if frame is not None:
            found.append(frame)
    return found


def test_an_endless_feed_opens_a_source_again_that_fails_and_one_that_is_not_there(
    picture: Image,
) -> None:
    opened: list[_Failing] = []
    attempts = 0

    def open_source() -> Source:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise SourceError("cannot open camera", "camera 0", "there is no such camera")
        opened.append(_Failing(picture, 2))
        return opened[-1]

    feed = make_endless_feed(open_source)
    banners = set()
    found: list[Frame] = []
    deadline = time.monotonic() + 20
    while len(found) < 4 and time.monotonic() < deadline:
        frame = feed.next(0.02)
        banners.add(feed.banner)
        found += [frame] if frame is not None else []
    feed.close()
    assert [frame.index for frame in found] == [0, 1, 0, 1]
    assert "camera 0: there is no such camera, trying again" in banners
    assert "broken.mp4: it is broken, trying again" in banners
    assert not feed.ended
    assert all(source.closed for source in opened)


def test_a_played_feed_ends_and_tells_its_failure(picture: Image) -> None:
    feed = make_feed(_Failing(picture, 2))
    assert len(drain(feed, 2)) == 2
    with pytest.raises(SourceError, match="it is broken"):
        drain(feed, 1)
    feed.close()


def test_the_ring_of_cameras_goes_round_and_past_one_that_fails() -> None:
    cameras = [CameraInfo(0, "HD Webcam", "/dev/video0"), CameraInfo(4, "Cam Link", "/dev/video4")]
    opened: list[int] = []

    def open_camera(index: int) -> Source:
        opened.append(index)
        return SceneSource(max_frames=1)

    for current in ("0", "/dev/video0", "hd webcam"):
        ring = CameraRing(current, open_camera, cameras=lambda: cameras)
        opened.clear()
        for _ in range(3):
            source = ring()
            assert source is not None
        assert opened == [4, 0, 4]
    alone = CameraRing("0", open_camera, cameras=lambda: cameras[:1])
    assert alone() is None


# The whole, without a window


class _Kept(Sink):
    """Keeps what it is given."""

    def __init__(self, enough: threading.Event | None = None, count: int = 10) -> None:
        self.frames: list[Frame] = []
        self.explanations: list[Explanation] = []
        self.pictures: list[Image | None] = []
        self.closed = False
        self._enough, self._count = enough, count

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.frames.append(frame)
        self.pictures.append(rendered)
        self.explanations.append(explanation)
        if self._enough is not None and len(self.frames) >= self._count:
            self._enough.set()

    def close(self) -> None:
        self.closed = True

    @property
    def description(self) -> str:
        return f"{len(self.frames)} frames"


def session(source: Source | None, explainer: Explainer, sinks: list[Sink], **more: object):
    more.setdefault("options", RunOptions())
    return run_session(
        source, explainer, sinks, overlay=OverlayOptions(), window_title=None, **more
    )


def test_a_file_is_shown_in_order_and_to_its_end(explainer: Explainer) -> None:
    kept = _Kept()
    with SceneSource(seed=2, width=160, height=120, fps=200, max_frames=25) as scene:
        summary = session(scene, explainer, [kept])
    assert [frame.index for frame in kept.frames] == list(range(25))
    assert summary.frames == 25
    assert summary.latency is None
    assert kept.closed


def test_a_live_source_gives_its_newest_frames_and_lag_never_builds_up(
    explainer: Explainer,
) -> None:
    kept = _Kept()
    with LiveScene(seed=2, width=160, height=120) as camera:
        summary = session(camera, explainer, [kept], options=RunOptions(max_frames=30))
    indices = [frame.index for frame in kept.frames]
    assert indices == sorted(set(indices))
    assert summary.frames == 30
    assert summary.latency is not None
    assert summary.latency.count == 30
    assert summary.dropped == camera.dropped


def test_the_limit_mirror_and_held_class_are_obeyed(explainer: Explainer) -> None:
    kept, plain = _Kept(), _Kept()
    for sink, mirror in ((kept, True), (plain, False)):
        with SceneSource(seed=3, width=160, height=120, fps=200) as scene:
            options = RunOptions(classes=4, max_frames=6, mirror=mirror)
            session(scene, explainer, [sink], options=options)
    assert len(kept.frames) == 6
    assert {each.explained for each in kept.explanations} == {(4,)}
    for flipped, straight in zip(kept.frames, plain.frames, strict=True):
        assert np.array_equal(flipped.image[:, ::-1], straight.image)


def test_the_end_is_obeyed_while_nothing_comes(explainer: Explainer) -> None:
    stop = StopToken()
    kept = _Kept()
    with LiveScene(seed=2, width=160, height=120, frames=3) as camera:  # then it hangs
        threading.Timer(0.5, stop.request).start()
        began = time.monotonic()
        session(camera, explainer, [kept], stop=stop)
    assert time.monotonic() - began < 5.0
    assert kept.closed
    assert len(kept.frames) <= 3


class _Canvas:
    """A window that nobody sees."""

    size = (320, 240)
    fullscreen = False

    def __init__(self, _title: str, **_options: object) -> None:
        pass

    def show(self, picture: Image, **_: object) -> None:
        pass

    def poll(self, _wait_ms: int) -> list[object]:
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("title", ["a window", None])
def test_a_window_says_how_far_a_slow_method_is_and_outputs_do_not(
    title: str | None, explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[tuple[str, ...]] = []

    def kept(*about: object) -> Hud:
        hud = make_hud(*about)  # type: ignore[arg-type]
        notes.append(hud.notes)
        return hud

    monkeypatch.setattr("live_gradcam.session.loop.Window", _Canvas)
    monkeypatch.setattr("live_gradcam.session.loop.make_hud", kept)
    forwards = StepProgress()
    forwards.update(16, 64)
    with SceneSource(seed=2, width=160, height=120, fps=200, max_frames=3) as scene:
        run_session(
            scene,
            explainer,
            [_Kept()],
            overlay=OverlayOptions(),
            options=RunOptions(),
            window_title=title,
            forwards=forwards,
        )
    assert notes
    assert set(notes) == {("gradcam: 16 of 64 forwards",) if title else ()}


def test_the_studio_hands_on_how_far_a_slow_method_is(picture: Image) -> None:
    told: list[tuple[int, int]] = []
    with Explainer(tiny_classifier(), compile="off", method="scorecam") as slow:
        studio = Studio(slow, on_forwards=lambda *steps: told.append(steps))
        studio.get("a")
        studio.work()
        made = studio.get("a")
        assert made is not None
        made.explain(picture)
        studio.close()
    assert told == [(16, 16)]


def test_a_source_that_gives_up_is_an_error_and_outputs_are_finalised(
    explainer: Explainer, picture: Image
) -> None:
    kept = _Kept()
    with pytest.raises(SourceError, match="it is broken"):
        session(_Failing(picture, 3), explainer, [kept])
    assert kept.closed
    assert len(kept.frames) == 3


def test_a_sink_that_fails_ends_the_session(explainer: Explainer, tmp_path: Path) -> None:
    class Full(_Kept):
        def write(self, *_: object) -> None:
            raise SinkError("cannot write", "disk", "it is full")

    kept = _Kept()
    with (
        SceneSource(seed=2, width=160, height=120, fps=200) as scene,
        pytest.raises(SinkError, match="it is full"),
    ):
        session(scene, explainer, [Full(), kept])
    assert kept.closed


def test_a_kiosk_goes_on_after_an_error_of_any_kind(explainer: Explainer, picture: Image) -> None:
    told: list[str] = []
    enough = threading.Event()
    kept = _Kept(enough, count=8)
    stop = StopToken()

    class Odd(Explainer):
        calls = 0

        def explain_batch(self, *args: object, **options: object) -> list[Explanation]:
            Odd.calls += 1
            if Odd.calls == 3:
                raise RuntimeError("a bug of ours")
            return super().explain_batch(*args, **options)  # type: ignore[arg-type]

    def watch() -> None:
        enough.wait(20)
        stop.request()

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Odd(tiny_classifier(), compile="off") as odd:
        session(
            None,
            odd,
            [kept],
            kiosk=True,
            reopen=lambda: SceneSource(seed=2, width=160, height=120, fps=100, max_frames=4),
            stop=stop,
            on_notice=told.append,
        )
    watcher.join()
    assert len(kept.frames) >= 8
    assert any("a bug of ours" in line for line in told)


def test_records_say_layer_and_weights(explainer: Explainer, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    with SceneSource(seed=2, width=160, height=120, fps=200, max_frames=3) as scene:
        session(scene, explainer, [RecordSink(path)])
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record["layer"] for record in records] == ["d"] * 3
    assert [record["scrambled"] for record in records] == [False] * 3


def test_the_colour_scale_is_steady_unless_that_is_switched_off(
    explainer: Explainer, picture: Image
) -> None:
    said = explainer.explain(picture)
    weak = replace(said, evidence=said.evidence * np.float32(0.1))
    bare = replace(START, overlay=OverlayOptions(show_labels=False, show_legend=False))
    pictures = {}
    for smooth in (True, False):
        presenter = Renderer(smooth=smooth)
        for each in (said, weak):
            found = ExplainedFrame(
                Frame(picture, 0, 0.0), each, each, each, order(explainer), is_new=True
            )
            presenter.take(found, bare)
            pictures[smooth, each is weak] = presenter.paint(found, bare, Hud())
    seen = np.s_[
        said.region.y : said.region.y + said.region.height,
        said.region.x : said.region.x + said.region.width,
    ]
    heat = {
        key: np.abs(value[seen].astype(int) - picture[seen]).sum()
        for key, value in pictures.items()
    }
    assert heat[True, True] < 0.6 * heat[True, False]
    assert heat[False, True] == pytest.approx(heat[False, False], rel=0.05)
