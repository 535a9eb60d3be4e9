"""The loop of a session: explained frames are shown, pressed keys are obeyed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from live_gradcam.capture.source import Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.pipeline import Summary
from live_gradcam.session.background import BackgroundTasks
from live_gradcam.session.config import SessionConfig
from live_gradcam.session.controller import FIRST_HINT, FIRST_HINT_SECONDS, Controller
from live_gradcam.session.explainers import RequestedExplainers
from live_gradcam.session.feed import Feed, FeedReport
from live_gradcam.session.feeds import make_endless_feed, make_feed
from live_gradcam.session.kiosk import (
    KioskFeed,
    begin_anew,
    describe_for_visitors,
    for_visitors,
)
from live_gradcam.session.metrics import SessionMetrics
from live_gradcam.session.outputs import Writer, describe_failure
from live_gradcam.session.part_chooser import PartChooser
from live_gradcam.session.pools import explainers_beside
from live_gradcam.session.renderer import (
    Figures,
    Renderer,
    caption,
    describe_capture,
    make_hud,
    record_extra,
    render_empty,
    window_title,
)
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.teaching import Teaching
from live_gradcam.session.truth import TruthDisplay
from live_gradcam.session.worker import ExplainWorker, Item
from live_gradcam.show.mouse import Dragged, MouseMoved, RightClicked
from live_gradcam.show.overlay import Hud
from live_gradcam.show.window import Closed, KeyPressed, Window
from live_gradcam.values import Image

_logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.01
_LOOK_EVERY_SECONDS = 0.25
_STOP_SECONDS = 0.7
_BEGIN_AGAIN_SECONDS = 1.0
_EMPTY_SIZE = (1280, 720)
_KEPT = 4  # explainers of other layers, methods and weights


class Session:
    """One session, from its first frame to its end.

    Args:
        config: What stays the same.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        state = config.first_state()
        on_forwards = config.forwards.update if config.forwards is not None else None
        self._pool = explainers_beside(config.explainer, keep=_KEPT, on_forwards=on_forwards)
        self._explainers = RequestedExplainers(self._pool)
        self._describe = describe_for_visitors if config.kiosk else describe_failure
        self._controller = Controller(
            state, self._explainers, on_state=config.on_state, describe=self._describe
        )
        self._teaching = Teaching(config, self._pool, self._controller)
        self._renderer = Renderer(smooth=config.smoothed)
        self._background = BackgroundTasks(
            config.folder or Path.cwd(), config.next_source, config.on_notice
        )
        self._metrics = SessionMetrics()
        self._feed = self._first_feed()
        self._earlier_feeds = FeedReport()
        self._own_source: Source | None = None
        self._worker = self._make_worker(
            ExplainRequest(
                settings=state.settings, explainer=config.explainer, trained=config.explainer
            )
        )
        self._closed = False
        self._explained: ExplainedFrame | None = None
        self._truth = TruthDisplay()
        self._rendered: Image | None = None
        self._chooser = PartChooser(self._renderer, self._controller)
        self._banner = ""
        self._forwards: tuple[int, int] | None = None
        self._look_due = 0.0

    def run(self) -> Summary:
        """Show, obey and write until somebody ends it; see `run_session` for what it raises."""
        config, metrics = self._config, self._metrics
        window = config.window
        with Writer(config.sinks, metrics.stage_clock, config.stop) as writer:
            try:
                self._worker.start()
                if config.window_title is not None:
                    window = self._open_window(config.window_title)
                while not self._is_over():
                    self._run_once(window, writer)
            finally:
                try:
                    if config.stop.requested:
                        writer.close()  # first of all: there is little time
                finally:
                    self._close(window)
        report = self._earlier_feeds + self._feed.report
        return Summary(
            frames=metrics.frames,
            seconds=metrics.seconds,
            stages=metrics.stages,
            skipped=report.skipped,
            outputs=tuple(sink.description for sink in config.sinks),
            notes=report.notes,
            dropped=report.dropped,
            latency=metrics.latency,
        )

    def _open_window(self, title: str) -> Window:
        """Open the window, or fit the one that is open already to the source."""
        width, height = self._source_size()
        full = self._controller.state.fullscreen
        window = self._config.window
        if window is None:
            window = Window(title, width=width, height=height, fullscreen=full)
        else:
            window.title = title
            window.fit(width, height)
            window.fullscreen = full
        if not self._config.kiosk:  # whose visitors have no keyboard
            self._controller.show_message(FIRST_HINT, seconds=FIRST_HINT_SECONDS)
        return window

    def _close(self, window: Window | None) -> None:
        self._worker.stop(_STOP_SECONDS)
        self._feed.close()
        if window is not None:
            window.close()
        self._background.close(hurried=self._config.stop.requested)
        self._teaching.close(hurried=self._config.stop.requested)
        self._pool.close()
        if self._own_source is not None:
            self._own_source.close()

    def _is_over(self) -> bool:
        limit = self._config.options.max_frames
        if self._config.stop.requested or self._controller.state.quit or self._closed:
            return True
        if limit is not None and self._metrics.frames >= limit:
            return True
        # The last image of a folder stays until somebody closes the window.
        return self._worker.finished and not self._feed.by_hand

    def _run_once(self, window: Window | None, writer: Writer) -> None:
        """Run one round: show at most one explained frame, then obey what else happened."""
        item = self._next_item()
        new: ExplainedFrame | None = None
        if isinstance(item, ExplainedFrame):
            new = item if item.is_new else None
            self._explained = item
            self._teaching.take(item)
            for stage in ("preprocess", "network"):
                self._metrics.stage_clock.add(stage, item.raw.timings_ms.get(stage, 0.0))
            self._renderer.update_scale(item, self._controller.state)
        elif isinstance(item, TruthReading):
            self._truth.take(item)
        if self._look_around() or item is not None:
            self._show(window, writer)
        if window is not None and self._obey(window.poll(1), window):
            self._show(window, writer)
        if new is not None:
            self._write(new, writer)

    def _next_item(self) -> Item | None:
        try:
            return self._worker.next_item(_WAIT_SECONDS)
        except Exception as error:
            if not self._config.kiosk:
                raise
            self._begin_again(error)
            return None

    def _write(self, explained: ExplainedFrame, writer: Writer) -> None:
        """Measure and write a new frame that has been shown."""
        self._metrics.count_frame(explained.frame)
        recording = self._background.recording_seconds is not None
        rendered = self._rendered_frame() if writer.needs_rendered or recording else None
        writer.write(explained.frame, rendered, explained.written, self._extras(explained))
        if rendered is not None:
            self._background.record_frame(explained, rendered)

    def _show(self, window: Window | None, writer: Writer) -> None:
        if window is None and not writer.needs_rendered:
            return
        began = time.perf_counter()
        config, hud, explained = self._config, self._hud(), self._explained
        inside = window.size if window is not None else None
        if explained is not None:
            rendered = self._render(explained, hud, inside)
            size = (explained.frame.image.shape[1], explained.frame.image.shape[0])
            same = rendered.shape[1::-1] == size and self._chooser.drawn is None
            self._rendered = rendered if same else None
        elif hud.banner or hud.notes or hud.help or hud.title or hud.invitation or hud.teaching:
            size = inside if inside is not None and min(inside) > 0 else self._source_size()
            rendered = render_empty(size, hud, self._controller.state.overlay.hud_layout)
        else:
            return
        drawn = time.perf_counter()
        self._metrics.stage_clock.add("draw", (drawn - began) * 1000.0)
        if window is not None:
            if explained is not None and config.window_title is not None:
                window.title = window_title(config.window_title, explained.frame)
            window.show(rendered)
            self._metrics.stage_clock.add("show", (time.perf_counter() - drawn) * 1000.0)

    def _render(
        self, explained: ExplainedFrame, hud: Hud, window: tuple[int, int] | None = None
    ) -> Image:
        controller = self._controller
        drawn = self._chooser.drawn if window is not None else None
        pointer = controller.pointer if drawn is None else None  # one thing at a time
        return self._renderer.render(
            explained, controller.state, hud, pointer, window, chosen=drawn
        )

    def _rendered_frame(self) -> Image | None:
        """Return what is shown in the frame's own size, for outputs and snapshots."""
        if self._rendered is None and self._explained is not None:
            self._rendered = self._render(self._explained, self._hud())
        return self._rendered

    # What the person does

    def _obey(self, events: Sequence[object], window: Window) -> bool:
        """Obey keys and mouse; ``True`` if the frame must be rendered again."""
        again = False
        if events and isinstance(self._feed, KioskFeed):
            self._feed.touch()
        for event in events:
            if isinstance(event, Closed):
                self._closed = True
            elif isinstance(event, MouseMoved):
                again = self._point_at(event) or again
            elif isinstance(event, Dragged):
                if self._explained is not None:
                    self._chooser.drag(event, self._explained)
                    again = True
            elif isinstance(event, RightClicked):
                again = self._chooser.explain_whole() or again
            elif event == KeyPressed("esc") and self._chooser.drawn is not None:
                self._chooser.give_up()  # the rectangle, not the session
                window.cancel_drag()
                again = True
            elif isinstance(event, KeyPressed):
                again = self._press(event.key) or again
        state = self._controller.state
        window.fullscreen = state.fullscreen
        if again:
            self._update_request()
        return again and not self._closed and not state.quit

    def _point_at(self, mouse: MouseMoved) -> bool:
        """Let the spot under the mouse vote; ``True`` if there is one."""
        explained, state = self._explained, self._controller.state
        if explained is None:
            return False
        pixel = self._renderer.find_pixel(mouse.x, mouse.y, explained, state, mouse.size)
        if pixel is None:
            return False
        self._controller.move_pointer(*pixel)
        return True

    def _press(self, key: str) -> bool:
        situation = self._situation()
        before = self._controller.press(key, situation)
        state = self._controller.state
        if state is before:
            return False
        settings, old = state.settings, before.settings
        if state.snapshots != before.snapshots:
            self._take_snapshot()
        if state.recording != before.recording:
            self._switch_recording(on=state.recording)
        if settings.advances != old.advances and situation.advance == "camera":
            self._background.open_next_source()
        self._turn(before, state)
        self._teaching.obey()
        if (settings.truth, settings.key.randomized) != (old.truth, old.key.randomized):
            self._truth.forget()
        self._controller.publish_state()
        return True

    def _turn(self, before: SessionState, state: SessionState) -> None:
        """Turn pictures as a key has asked for."""
        steps = state.settings.advances - before.settings.advances
        steps -= state.returns - before.returns
        if steps and self._feed.by_hand:
            self._feed.turn(steps)
        if state.jumps != before.jumps:
            self._feed.turn_to(state.jump_end)

    def _situation(self) -> Situation:
        shown = self._explained.smoothed if self._explained is not None else None
        by_hand = self._feed.by_hand
        may_switch = self._config.next_source is not None
        situation = Situation(
            predictions=shown.predictions if shown else (),
            explained=shown.explained[0] if shown and shown.explained else None,
            frame=self._frame_size(),
            layers=self._explainers.layer_names,
            methods=self._pool.methods,
            views=self._pool.views,
            fixed=self._pool.fixed,
            mapped=self._pool.mapped,
            advance="picture" if by_hand else "camera" if may_switch else None,
            by_hand=by_hand,
            slideshow=self._feed.slideshow,
            may_quit=not self._config.kiosk,
        )
        return self._teaching.describe(situation)

    def _take_snapshot(self) -> None:
        explained, rendered = self._explained, self._rendered_frame()
        if explained is None or rendered is None:
            self._controller.show_message("there is no picture yet")
        else:
            self._background.save_snapshot(explained, rendered, self._extras(explained))

    def _switch_recording(self, *, on: bool) -> None:
        if not on:
            self._background.end_recording()
            return
        info = self._feed.info
        if info is None:
            self._controller.show_message("there is no picture yet", recording=False)
            return
        try:
            self._controller.show_message(self._background.begin_recording(info))
        except LiveGradcamError as error:
            self._controller.show_message(self._describe(error), recording=False)

    # What happens by itself

    def _look_around(self) -> bool:
        """Pick up what was made beside the loop; ``True`` if the frame must be rendered again."""
        again = self._controller.expire()
        if self._background.recording_failed:
            self._background.end_recording()
            self._controller.show_message("", recording=False)
        again = self._attend() or again
        again = self._teaching.look() or again
        message = self._background.report() or self._feed.take_message()
        if message:
            self._controller.show_message(message)
            again = True
        again = self._switch_source() or again
        if again or self._controller.is_pending(self._worker.request):
            self._update_request()
        now = time.monotonic()
        if now >= self._look_due:
            self._look_due = now + _LOOK_EVERY_SECONDS
            banner, forwards = self._feed.banner, self._config.shown_forwards
            again = again or bool(banner) or (banner, forwards) != (self._banner, self._forwards)
            self._banner, self._forwards = banner, forwards
        # A state and no event: it holds for a feed that has come since the key, too.
        self._feed.pause(self._controller.state.settings.frozen)
        return again

    def _attend(self) -> bool:
        """Let a kiosk begin anew for the next visitor; ``True`` if it does."""
        feed = self._feed
        if not isinstance(feed, KioskFeed) or not feed.begins_anew():
            return False
        state = begin_anew(self._config.first_state(), self._controller.state)
        self._controller.begin_anew(state)
        self._truth.forget()
        return True

    def _switch_source(self) -> bool:
        try:
            source = self._background.opened_source()
        except LiveGradcamError as error:
            self._controller.show_message(self._describe(error))
            self._config.on_notice(str(error))
            return True
        if source is None:
            return False
        self._leave_feed()
        previous, self._own_source = self._own_source, source
        self._feed = self._worker.feed = self._attended(make_feed(source))
        if previous is not None:
            previous.close()
        self._controller.show_message(source.info.name)
        return True

    def _update_request(self) -> None:
        self._worker.request = self._teaching.next_request(self._worker.request)

    def _begin_again(self, error: Exception) -> None:
        """Go on, as a kiosk does whatever happened."""
        _logger.warning("the session begins again", exc_info=error)
        self._config.on_notice(f"{describe_failure(error)}; beginning again")
        self._controller.show_message(self._describe(error))
        request = self._worker.request
        self._worker.stop(_STOP_SECONDS)
        self._leave_feed()
        self._config.stop.wait(_BEGIN_AGAIN_SECONDS)
        self._feed = self._first_feed()
        self._worker = self._make_worker(request)
        self._worker.start()

    def _first_feed(self) -> Feed:
        config = self._config
        if config.reopen is not None:
            feed = make_endless_feed(
                config.reopen, config.source, slideshow_seconds=config.slideshow_seconds
            )
        else:
            assert config.source is not None, "checked at the beginning"
            feed = make_feed(config.source, slideshow_seconds=config.slideshow_seconds)
        return self._attended(feed)

    def _attended(self, feed: Feed) -> Feed:
        """The feed itself; that of a kiosk watches for visitors."""
        config, exhibit = self._config, self._config.exhibit
        if not config.kiosk:
            return feed
        demonstration = exhibit.demonstration_for(config.explainer.classifier.labels)
        return KioskFeed(feed, exhibit, demonstration)

    def _leave_feed(self) -> None:
        self._feed.close()
        self._earlier_feeds += self._feed.report

    def _make_worker(self, request: ExplainRequest) -> ExplainWorker:
        return ExplainWorker(
            self._feed,
            self._controller.next_request(request),
            smooth=self._config.smoothed,
            between=self._make_wanted,
        )

    def _make_wanted(self) -> None:
        """Make what was asked for, between two frames."""
        self._explainers.make_wanted()
        self._teaching.make_wanted(lambda: self._worker.request)

    # What is known

    def _source_size(self) -> tuple[int, int]:
        info = self._feed.info
        return (info.width, info.height) if info is not None else _EMPTY_SIZE

    def _frame_size(self) -> tuple[int, int] | None:
        if self._explained is None:
            return None
        height, width = self._explained.frame.image.shape[:2]
        return width, height

    def _extras(self, explained: ExplainedFrame) -> list[Mapping[str, Any]]:
        """Return the further fields of each part's record; the truth meter tests the first one."""
        settings, state = self._worker.request.settings, self._controller.state
        reading = self._truth.reading_of(explained)
        first = record_extra(state, settings.key, reading)
        rest = [record_extra(state, settings.key, None) for _ in explained.others]
        return [first, *rest]

    def _hud(self) -> Hud:
        request, explained, info = self._worker.request, self._explained, self._feed.info
        moving = info is not None and info.kind != "pictures"
        fps, latency_ms = self._metrics.current(moving=moving)
        measured = self._config.options.show_rate
        figures = Figures(
            fps=fps if measured else None,
            latency_ms=latency_ms if measured else None,
            dropped=self._feed.report.dropped,
            caption=caption(explained.frame) if explained is not None else "",
            banner=self._feed.banner,
            capture=describe_capture(info),
            recording_seconds=self._background.recording_seconds,
            reading=self._truth.reading_of(explained),
            marked=self._truth.marked_on(explained),
            outside=explained.note if explained is not None else "",
            forwards=self._config.shown_forwards,
            pending=self._controller.is_pending(request),
            own_layer=request.settings.key.layer == self._config.explainer.classifier.layer,
            may_quit=not self._config.kiosk,
        )
        hud = make_hud(self._controller.state, request, figures)
        on_air = tuple(each.on_air for each in self._config.sinks if each.on_air)
        hud = replace(hud, teaching=self._teaching.row(), on_air=on_air)
        if not isinstance(self._feed, KioskFeed):
            return hud
        return for_visitors(
            hud,
            self._feed,
            self._config.exhibit.title,
            explained.smoothed if explained is not None else None,
            pending=figures.pending,
            message=self._controller.state.message,
        )
