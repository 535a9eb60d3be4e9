"""A whole session without a window: order, limits, the end, kiosks, and what is said of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from live_gradcam.capture.live_scene import LiveScene
from live_gradcam.capture.open import open_source
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.errors import SinkError, SourceError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions, Summary
from live_gradcam.session import run_session
from live_gradcam.session.renderer import make_hud
from live_gradcam.session.state import SessionState
from live_gradcam.show.images import write_image
from live_gradcam.show.overlay import Hud, OverlayOptions
from live_gradcam.show.records import RecordSink
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import KeyPressed, Window
from live_gradcam.timing import StepProgress
from live_gradcam.values import Explanation, Frame, Image
from scripts.faults.media import write_film, zero_packets
from tests.helpers.live import tiny_classifier
from tests.session.doubles import PATIENCE_SECONDS, FailingSource, MemorySink


def run(
    source: Source | None,
    explainer: Explainer,
    sinks: Sequence[Sink],
    options: RunOptions | None = None,
    **more: Any,
) -> Summary:
    return run_session(
        source,
        explainer,
        sinks,
        overlay=OverlayOptions(),
        options=options or RunOptions(),
        window_title=None,
        **more,
    )


def run_until_enough(
    source: Source | None, explainer: Explainer, kept: MemorySink, **more: Any
) -> Summary:
    """A session that is stopped once a sink has its frames."""
    stop = StopToken()

    def watch() -> None:
        kept.enough.wait(PATIENCE_SECONDS)
        stop.request()

    watcher = threading.Thread(target=watch)
    watcher.start()
    summary = run(source, explainer, [kept], stop=stop, **more)
    watcher.join()
    return summary


def run_kiosk(kept: MemorySink, explainer: Explainer, **more: Any) -> Summary:
    """A kiosk that is stopped once a sink has its frames."""
    return run_until_enough(None, explainer, kept, kiosk=True, **more)


def scene(frames: int | None = None, seed: int = 2) -> Source:
    return SceneSource(seed=seed, width=160, height=120, fps=200, max_frames=frames)


def test_a_file_is_shown_in_order_and_to_its_end(explainer: Explainer) -> None:
    kept = MemorySink()
    with scene(25) as source:
        summary = run(source, explainer, [kept])
    assert [frame.index for frame in kept.frames] == list(range(25))
    assert summary.frames == 25
    assert summary.latency is None
    assert kept.closed


def test_a_live_source_gives_its_newest_frames_and_lag_never_builds_up(
    explainer: Explainer,
) -> None:
    given = 60
    # Then it hangs: the newest one of the last ones is shown, and no other is dropped any more.
    with LiveScene(seed=2, width=160, height=120, fps=100.0, frames=given) as camera:

        class Newest(MemorySink):
            def write(self, *about: Any, **extra: Any) -> None:
                super().write(*about, **extra)
                if len(self.frames) + camera.dropped == given:
                    self.enough.set()

        kept = Newest(count=given)
        summary = run_until_enough(camera, explainer, kept)
    times = [frame.pts_seconds for frame in kept.frames]
    assert times == sorted(set(times))
    assert summary.frames == len(kept.frames) > 0
    assert summary.dropped == given - summary.frames
    assert summary.latency is not None
    assert summary.latency.count == summary.frames


def test_the_limit_mirror_and_held_class_are_obeyed(explainer: Explainer) -> None:
    kept, plain = MemorySink(), MemorySink()
    for sink, mirror in ((kept, True), (plain, False)):
        with scene(seed=3) as source:
            run(source, explainer, [sink], RunOptions(classes=4, max_frames=6, mirror=mirror))
    assert len(kept.frames) == 6
    assert {each.explained for each in kept.explanations} == {(4,)}
    for flipped, straight in zip(kept.frames, plain.frames, strict=True):
        assert np.array_equal(flipped.image[:, ::-1], straight.image)


def test_the_end_is_obeyed_while_nothing_comes(explainer: Explainer) -> None:
    kept = MemorySink(count=1)
    with LiveScene(seed=2, width=160, height=120, frames=1) as camera:  # then it hangs
        run_until_enough(camera, explainer, kept)
    assert kept.closed
    assert len(kept.frames) == 1


class Canvas:
    """A window that nobody sees."""

    size = (320, 240)
    fullscreen = False

    def __init__(self, _title: str, **_options: object) -> None:
        pass

    def show(self, _rendered: Image, **_options: object) -> None:
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

    def keep(*about: Any) -> Hud:
        hud = make_hud(*about)
        notes.append(hud.notes)
        return hud

    monkeypatch.setattr("live_gradcam.session.loop.Window", Canvas)
    monkeypatch.setattr("live_gradcam.session.loop.make_hud", keep)
    forwards = StepProgress()
    forwards.update(16, 64)
    with scene(3) as source:
        run_session(
            source,
            explainer,
            [MemorySink()],
            overlay=OverlayOptions(),
            options=RunOptions(),
            window_title=title,
            forwards=forwards,
        )
    assert notes
    shown = {note for each in notes for note in each}
    assert shown == ({"h: help", "gradcam: 16 of 64 forwards"} if title else set())


def test_without_a_source_or_a_way_to_open_one_there_is_no_session(explainer: Explainer) -> None:
    with pytest.raises(ValueError, match="needs a source"):
        run(None, explainer, [])


def test_a_source_that_gives_up_is_an_error_and_outputs_are_finalised(
    explainer: Explainer, image: Image
) -> None:
    kept = MemorySink()
    with pytest.raises(SourceError, match="it is broken"):
        run(FailingSource(image, 3), explainer, [kept])
    assert kept.closed
    assert len(kept.frames) == 3


class FullDisk(MemorySink):
    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        raise SinkError("cannot write", "disk", "it is full")


def test_a_sink_that_fails_ends_the_session(explainer: Explainer) -> None:
    kept = MemorySink()
    with scene() as source, pytest.raises(SinkError, match="it is full"):
        run(source, explainer, [FullDisk(), kept])
    assert kept.closed


class OddExplainer(Explainer):
    """Fails once, at the third frame."""

    calls = 0

    def explain_batch(self, *args: Any, **options: Any) -> list[Any]:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("a bug of ours")
        return super().explain_batch(*args, **options)


def test_a_kiosk_goes_on_after_an_error_of_any_kind() -> None:
    notices: list[str] = []
    kept = MemorySink(count=8)
    with OddExplainer(tiny_classifier(), compile="off") as odd:
        run_kiosk(kept, odd, reopen=lambda: scene(4), on_notice=notices.append)
    assert len(kept.frames) >= 8
    assert any("a bug of ours" in line for line in notices)


def test_the_summary_of_a_kiosk_says_which_images_were_left_out(
    explainer: Explainer, tmp_path: Path
) -> None:
    write_image(tmp_path / "b.png", np.full((48, 64, 3), 90, np.uint8))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more than that")
    kept = MemorySink(count=1)
    summary = run_kiosk(kept, explainer, reopen=lambda: open_source(str(tmp_path)))
    assert (summary.frames, summary.skipped) == (1, 1)
    assert len(summary.notes) == 1
    assert "a.png" in summary.notes[0]


def test_the_summary_of_a_kiosk_counts_the_damage_of_every_round(
    explainer: Explainer, tmp_path: Path
) -> None:
    path = write_film(tmp_path / "damaged.mp4", options={"g": "1", "qp": "1"})
    zero_packets(path, [4, 5, 8])
    kept = MemorySink(count=2 * 9 + 1)
    summary = run_kiosk(kept, explainer, reopen=lambda: open_source(str(path)))
    assert [frame.index for frame in kept.frames[:19]] == [*range(9), *range(9), 0]
    assert summary.skipped >= 6
    assert summary.notes[0] == "damaged.mp4: 3 damaged frames left out"


def test_the_summary_of_a_kiosk_keeps_what_was_said_before_it_began_again(image: Image) -> None:
    kept = MemorySink(count=5)
    with OddExplainer(tiny_classifier(), compile="off") as odd:
        summary = run_kiosk(kept, odd, reopen=lambda: FailingSource(image, 4))
    # One round ended with the explainer's failure, one with the source's, each with one skipped.
    assert summary.skipped >= 2
    assert summary.notes == ("broken.mp4: 1 damaged frame left out",)


def test_records_say_layer_and_weights(explainer: Explainer, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    with scene(3) as source:
        run(source, explainer, [RecordSink(path)])
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record["layer"] for record in records] == ["d"] * 3
    assert [record["scrambled"] for record in records] == [False] * 3


class SpaceBar(Canvas):
    """A visitor who presses space once, when there is something to see."""

    shown = pressed = False

    def show(self, _rendered: Image, **_options: object) -> None:
        self.shown = True

    def fit(self, _width: int, _height: int) -> None:
        pass

    def poll(self, _wait_ms: int) -> list[object]:
        if not self.shown or self.pressed:
            return []
        self.pressed = True
        return [KeyPressed("space")]


def test_a_slide_show_goes_on_for_the_next_visitor(
    explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_gradcam.session.kiosk.UNTOUCHED_SECONDS", 0.3)
    for number in range(3):
        write_image(tmp_path / f"{number}.png", np.full((48, 64, 3), 90, np.uint8))
    stop, states = StopToken(), list[SessionState]()
    guard = threading.Timer(PATIENCE_SECONDS, stop.request)
    guard.start()
    summary = run_session(
        None,
        explainer,
        [],
        overlay=OverlayOptions(),
        options=RunOptions(max_frames=4),
        window_title="a kiosk",
        window=cast(Window, SpaceBar("")),
        kiosk=True,
        reopen=lambda: open_source(str(tmp_path)),
        slideshow_seconds=0.2,
        stop=stop,
        on_state=states.append,
    )
    guard.cancel()
    assert [state.settings.frozen for state in states] == [True, False]
    assert summary.frames == 4
