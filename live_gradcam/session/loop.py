"""The loop of a session: what was explained is shown, what was pressed is obeyed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from live_gradcam.capture.source import Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions, Summary
from live_gradcam.session.background import BackgroundTasks
from live_gradcam.session.controller import Controller
from live_gradcam.session.feeds import Feed, make_endless_feed, make_feed
from live_gradcam.session.metrics import SessionMetrics
from live_gradcam.session.outputs import Writer, failure_words
from live_gradcam.session.renderer import (
    Figures,
    Renderer,
    capture_words,
    empty_picture,
    make_hud,
    record_extra,
)
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.studio import Studio
from live_gradcam.session.worker import ExplainedFrame, ExplainWorker, Order, Reading
from live_gradcam.show.overlay import Hud
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import Closed, KeyPressed, MouseMoved, Window
from live_gradcam.timing import StepProgress
from live_gradcam.values import Image

_logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.01
_NEWS_EVERY_SECONDS = 0.25
_STOP_SECONDS = 0.7
_BEGIN_AGAIN_SECONDS = 1.0
_EMPTY_SIZE = (1280, 720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What stays the same for the whole session; see `live_gradcam.session.start.run_session`."""

    source: Source | None
    explainer: Explainer
    options: RunOptions
    smooth: bool
    kiosk: bool
    reopen: Callable[[], Source] | None
    may_switch: bool
    forwards: StepProgress
    stop: StopToken
    on_notice: Callable[[str], None]


class Session:
    """One session, from its first frame to its end.

    Args:
        setting: What stays the same.
        state: What a person would have chosen at first.
        backstage: Runs what is done beside the show.
        on_state: Told every new state that a key has made.
    """

    def __init__(
        self,
        setting: Setting,
        state: SessionState,
        backstage: BackgroundTasks,
        on_state: Callable[[SessionState], None],
    ) -> None:
        self._setting = setting
        self._backstage = backstage
        self._studio = Studio(setting.explainer, on_forwards=setting.forwards.update)
        self._director = Controller(state, self._studio, on_state=on_state)
        self._presenter = Renderer(smooth=setting.smooth)
        self._feed = self._first_feed()
        self._own_source: Source | None = None
        self._analyst = self._hire(
            Order(
                explainer=setting.explainer,
                trained=setting.explainer,
                layer=state.layer,
                method=state.method,
            )
        )
        self._tally = SessionMetrics()
        self._closed = False
        self._finding: ExplainedFrame | None = None
        self._reading: Reading | None = None
        self._picture: Image | None = None
        self._banner = ""
        self._forwards: tuple[int, int] | None = None
        self._news_due = 0.0

    def run(self, sinks: Sequence[Sink], window_title: str | None) -> Summary:
        """Show, obey and write until somebody ends it; see `run_session` for what it raises.

        Args:
            sinks: Outputs beside the window; closed in every case.
            window_title: Title of the window; ``None`` for no window.
        """
        tally = self._tally
        writer = Writer(sinks, tally.clock)
        window: Window | None = None
        failed = True
        try:
            if window_title is not None:
                info = self._feed.info
                width, height = (info.width, info.height) if info else _EMPTY_SIZE
                full = self._director.state.fullscreen
                window = Window(window_title, width=width, height=height, fullscreen=full)
            while not self._over():
                self._turn(window, writer)
            failed = False
        finally:
            self._analyst.stop(_STOP_SECONDS)
            self._feed.close()
            if window is not None:
                window.close()
            self._backstage.close()
            self._studio.close()
            if self._own_source is not None:
                self._own_source.close()
            if failed:
                writer.close_quietly()
        writer.close()
        return Summary(
            frames=tally.frames,
            seconds=tally.seconds,
            stages=tally.stages,
            skipped=self._feed.skipped,
            outputs=tuple(sink.description for sink in sinks),
            notes=self._feed.notes,
            dropped=self._feed.dropped,
            latency=tally.latency,
        )

    def _over(self) -> bool:
        limit = self._setting.options.max_frames
        if self._setting.stop.requested or self._director.state.quit or self._closed:
            return True
        if limit is not None and self._tally.frames >= limit:
            return True
        # The last picture of a folder stays until somebody closes the window.
        return self._analyst.finished and not self._feed.by_hand

    def _turn(self, window: Window | None, writer: Writer) -> None:
        """One round: at most one finding, then whatever else happened."""
        item = self._next_item()
        new: ExplainedFrame | None = None
        if isinstance(item, ExplainedFrame):
            new = item if item.is_new else None
            self._finding = item
            for stage in ("preprocess", "network"):
                self._tally.clock.add(stage, item.raw.timings_ms.get(stage, 0.0))
            self._presenter.take(item, self._director.state)
        elif isinstance(item, Reading):
            self._reading = item
        if self._look_around() or item is not None:
            self._paint(window, writer)
        if window is not None and self._obey(window.poll(1), window):
            self._paint(window, writer)
        if new is not None:
            self._count(new, writer)

    def _next_item(self) -> ExplainedFrame | Reading | None:
        try:
            return self._analyst.take(_WAIT_SECONDS)
        except Exception as error:
            if not self._setting.kiosk:
                raise
            self._begin_again(error)
            return None

    def _count(self, finding: ExplainedFrame, writer: Writer) -> None:
        """A new frame has been shown: measure it and write it."""
        self._tally.count(finding.frame)
        recording = self._backstage.recording_seconds is not None
        picture = self._frame_picture() if writer.needs_picture or recording else None
        writer.write(finding.frame, picture, finding.told, self._extra())
        if picture is not None:
            self._backstage.record(finding, picture)

    def _paint(self, window: Window | None, writer: Writer) -> None:
        if window is None and not writer.needs_picture:
            return
        began = time.perf_counter()
        hud, finding = self._hud(), self._finding
        room = window.size if window is not None else None
        if finding is not None:
            picture = self._draw(finding, hud, room)
            size = (finding.frame.image.shape[1], finding.frame.image.shape[0])
            self._picture = picture if picture.shape[1::-1] == size else None
        elif hud.banner or hud.notes or hud.help_lines:
            info = self._feed.info
            size = (info.width, info.height) if info else _EMPTY_SIZE
            picture = empty_picture(size, hud, room)
        else:
            return
        drawn = time.perf_counter()
        self._tally.clock.add("draw", (drawn - began) * 1000.0)
        if window is not None:
            window.show(picture, pixels=size)
            self._tally.clock.add("show", (time.perf_counter() - drawn) * 1000.0)

    def _draw(
        self, finding: ExplainedFrame, hud: Hud, window: tuple[int, int] | None = None
    ) -> Image:
        director = self._director
        return self._presenter.paint(finding, director.state, hud, director.pointer, window)

    def _frame_picture(self) -> Image | None:
        """What is shown, in the frame's own size, for whoever keeps it."""
        if self._picture is None and self._finding is not None:
            self._picture = self._draw(self._finding, self._hud())
        return self._picture

    # What the person does

    def _obey(self, events: Sequence[object], window: Window) -> bool:
        """Do what was pressed and pointed at; whether the picture has to be drawn again."""
        again = False
        for event in events:
            if isinstance(event, Closed):
                self._closed = True
            elif isinstance(event, MouseMoved):
                self._director.point(event.x, event.y)
                again = True
            elif isinstance(event, KeyPressed):
                again = self._press(event.key) or again
        state = self._director.state
        window.fullscreen = state.fullscreen
        if again:
            self._give_order()
        return again and not self._closed and not state.quit

    def _press(self, key: str) -> bool:
        situation = self._situation()
        before = self._director.press(key, situation)
        state = self._director.state
        if state is before:
            return False
        if state.snapshots != before.snapshots:
            self._snapshot()
        if state.recording != before.recording:
            self._record(begin=state.recording)
        if state.advances != before.advances and situation.advance == "camera":
            self._backstage.open_next_source()
        if (state.truth, state.scrambled) != (before.truth, before.scrambled):
            self._reading = None
        self._director.told()
        return True

    def _situation(self) -> Situation:
        shown = self._finding.shown if self._finding is not None else None
        by_hand = self._feed.by_hand
        return Situation(
            predictions=shown.predictions if shown else (),
            explained=shown.explained[0] if shown and shown.explained else None,
            layers=self._studio.layers,
            advance="picture" if by_hand else "camera" if self._setting.may_switch else None,
            by_hand=by_hand,
            may_quit=not self._setting.kiosk,
        )

    def _snapshot(self) -> None:
        finding, picture = self._finding, self._frame_picture()
        if finding is None or picture is None:
            self._director.say("there is no picture yet")
        else:
            self._backstage.snapshot(finding, picture, self._extra())

    def _record(self, *, begin: bool) -> None:
        if not begin:
            self._backstage.end_recording()
            return
        info = self._feed.info
        if info is None:
            self._director.say("there is no picture yet", recording=False)
            return
        try:
            self._director.say(self._backstage.begin_recording(info))
        except LiveGradcamError as error:
            self._director.say(failure_words(error), recording=False)

    # What happens by itself

    def _look_around(self) -> bool:
        """Pick up what was made beside the loop; whether the picture has to be drawn again."""
        again = self._director.tick()
        if self._backstage.recording_failed:
            self._backstage.end_recording()
            self._director.say("", recording=False)
        news = self._backstage.news()
        if news:
            self._director.say(news)
            again = True
        again = self._switch_source() or again
        if again or self._director.is_pending(self._analyst.order):
            self._give_order()
        now = time.monotonic()
        if now >= self._news_due:
            self._news_due = now + _NEWS_EVERY_SECONDS
            banner, forwards = self._feed.banner, self._setting.forwards.steps
            again = again or bool(banner) or (banner, forwards) != (self._banner, self._forwards)
            self._banner, self._forwards = banner, forwards
        return again

    def _switch_source(self) -> bool:
        try:
            source = self._backstage.next_source()
        except LiveGradcamError as error:
            self._director.say(failure_words(error))
            self._setting.on_notice(str(error))
            return True
        if source is None:
            return False
        previous, self._own_source = self._own_source, source
        self._feed.close()
        self._feed = self._analyst.feed = make_feed(source)
        if previous is not None:
            previous.close()
        self._director.say(source.info.name)
        return True

    def _give_order(self) -> None:
        self._analyst.order = self._director.order(self._analyst.order)

    def _begin_again(self, error: Exception) -> None:
        """A kiosk goes on, whatever happened."""
        _logger.warning("the session begins again", exc_info=error)
        words = failure_words(error)
        self._setting.on_notice(f"{words}; beginning again")
        self._director.say(words)
        order = self._analyst.order
        self._analyst.stop(_STOP_SECONDS)
        self._feed.close()
        self._setting.stop.wait(_BEGIN_AGAIN_SECONDS)
        self._feed = self._first_feed()
        self._analyst = self._hire(order)

    def _first_feed(self) -> Feed:
        setting = self._setting
        if setting.reopen is not None:
            return make_endless_feed(setting.reopen, setting.source)
        assert setting.source is not None, "checked at the beginning"
        return make_feed(setting.source)

    def _hire(self, order: Order) -> ExplainWorker:
        return ExplainWorker(
            self._feed,
            self._director.order(order),
            smooth=self._setting.smooth,
            between=self._studio.work,
        )

    # What is known

    def _extra(self) -> Mapping[str, Any]:
        return record_extra(self._director.state, self._analyst.order, self._reading)

    def _hud(self) -> Hud:
        order, finding, reading = self._analyst.order, self._finding, self._reading
        info = self._feed.info
        if reading is not None and (
            finding is None or reading.subject != finding.told.explained[:1]
        ):
            reading = None  # it is about another class than the one that is shown
        moves = info is not None and info.kind != "pictures"
        rate, latency_ms = self._tally.now(moves=moves)
        figures = Figures(
            fps=rate,
            latency_ms=latency_ms,
            dropped=self._feed.dropped,
            banner=self._feed.banner,
            capture=capture_words(info),
            recording_seconds=self._backstage.recording_seconds,
            reading=reading,
            forwards=self._setting.forwards.steps,
            pending=self._director.is_pending(order),
            own_layer=order.layer == self._studio.layer,
            may_quit=not self._setting.kiosk,
        )
        return make_hud(self._director.state, order, figures)
