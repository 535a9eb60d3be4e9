"""A session that somebody watches: newest frame in, explained picture shown, keys obeyed.

The caller's thread owns the window. Live sources hand out their newest frame only, so lag never
builds up; files are played in order and at their own pace. Outputs are written by a thread of
their own, in order and without loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from live_gradcam.capture.source import LiveSource, Source
from live_gradcam.explain.explainer import Explainer
from live_gradcam.lifecycle import StopToken
from live_gradcam.painter import Painter
from live_gradcam.pipeline import RunOptions, Summary, mirrored
from live_gradcam.show.overlay import COLORMAPS, Hud, OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import Closed, KeyPressed, Window
from live_gradcam.timing import RateMeter, StageClock
from live_gradcam.values import Explanation, Frame, Image
from live_gradcam.workers import Channel, ChannelAborted, WorkerGroup

_WAIT_SECONDS = 0.02
_READ_AHEAD_FRAMES = 4
_WRITE_BEHIND_FRAMES = 8


class _Player:
    """Frames of a file in order, each when it is due; of pictures, each when it is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: Channel[Frame] = Channel(_READ_AHEAD_FRAMES)
        self._workers = WorkerGroup("player", self._frames.abort)
        self._workers.start("read", self._read)
        self._waiting: Frame | None = None
        self._offset_seconds: float | None = None
        self.by_hand = source.info.kind == "pictures"
        self.ended = False

    def _read(self) -> None:
        try:
            for frame in self._source:
                self._frames.put(frame)
        finally:
            self._frames.close()

    def newest(self, timeout_seconds: float) -> Frame | None:
        """The next frame, if it is due within the time."""
        if self._waiting is None:
            try:
                self._waiting = self._frames.get(timeout_seconds)
            except TimeoutError:
                return None
            except (StopIteration, ChannelAborted):
                self.ended = True
                self._workers.reraise()
                return None
        if not self.by_hand:
            now = time.monotonic()
            if self._offset_seconds is None:
                self._offset_seconds = now - self._waiting.pts_seconds
            early = self._offset_seconds + self._waiting.pts_seconds - now
            if early > timeout_seconds:
                time.sleep(timeout_seconds)
                return None
            if early > 0:
                time.sleep(early)
            else:
                # A slow network plays slower; it does not race to catch up afterwards.
                self._offset_seconds -= early
        frame, self._waiting = self._waiting, None
        return frame

    def close(self) -> None:
        self._workers.abort()
        self._workers.join(timeout_seconds=1.0)


class _Writer:
    """Writes to sinks beside the live loop; a failing sink is reported by `check` and `close`."""

    def __init__(self, sinks: Sequence[Sink], clock: StageClock) -> None:
        self._sinks = sinks
        self._clock = clock
        self._items: Channel[tuple[Frame, Image, Explanation]] = Channel(_WRITE_BEHIND_FRAMES)
        self._workers = WorkerGroup("live", self._items.abort)
        if sinks:
            self._workers.start("write", self._write)

    def _write(self) -> None:
        for frame, picture, explanation in self._items:
            began = time.perf_counter()
            for sink in self._sinks:
                sink.write(frame, picture, explanation)
            self._clock.add("write", (time.perf_counter() - began) * 1000.0)

    def write(self, frame: Frame, picture: Image, explanation: Explanation) -> None:
        if not self._sinks:
            return
        try:
            self._items.put((frame, picture, explanation))
        except ChannelAborted:
            self._workers.reraise()

    def close(self) -> None:
        """Write what waits, then finalise."""
        self._items.close()
        self._workers.join()
        failure: BaseException | None = None
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - the other outputs come first
                failure = failure or error
        self._workers.reraise()
        if failure is not None:
            raise failure


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the person in front of the window chose.

    Attributes:
        overlay: How pictures are drawn.
        mirror: Flip frames left to right.
        show_hud: Show the measured figures.
        show_help: Show the keys.
        frozen: Keep the picture.
        quit: Leave.
    """

    overlay: OverlayOptions
    mirror: bool = False
    show_hud: bool = True
    show_help: bool = False
    frozen: bool = False
    quit: bool = False


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """One row of the table of keys.

    Attributes:
        keys: Names of the keys, as `KeyPressed` gives them.
        help: What it does, in a few words.
        change: The new state made from the old one.
    """

    keys: tuple[str, ...]
    help: str
    change: Callable[[SessionState], SessionState]


def _next_colormap(state: SessionState) -> SessionState:
    names = list(COLORMAPS)
    following = names[(names.index(state.overlay.colormap) + 1) % len(names)]
    return replace(state, overlay=replace(state.overlay, colormap=following))


def _next_layout(state: SessionState) -> SessionState:
    layouts = ("heatmap", "side-by-side", "plain")
    following = layouts[(layouts.index(state.overlay.layout) + 1) % len(layouts)]
    return replace(state, overlay=replace(state.overlay, layout=following))


def _more_opacity(step: float) -> Callable[[SessionState], SessionState]:
    def change(state: SessionState) -> SessionState:
        opacity = min(1.0, max(0.0, round(state.overlay.opacity + step, 2)))
        return replace(state, overlay=replace(state.overlay, opacity=opacity))

    return change


KEYS: tuple[KeyBinding, ...] = (
    KeyBinding(("q", "escape"), "quit", lambda state: replace(state, quit=True)),
    KeyBinding(
        ("h", "?"), "help", lambda state: replace(state, show_help=not state.show_help)
    ),
    KeyBinding(("space",), "freeze", lambda state: replace(state, frozen=not state.frozen)),
    KeyBinding(("b",), "heatmap, side by side, plain", _next_layout),
    KeyBinding(("c",), "colour map", _next_colormap),
    KeyBinding(("[",), "less opacity", _more_opacity(-0.1)),
    KeyBinding(("]",), "more opacity", _more_opacity(0.1)),
    KeyBinding(("m",), "mirror", lambda state: replace(state, mirror=not state.mirror)),
    KeyBinding(("i",), "figures", lambda state: replace(state, show_hud=not state.show_hud)),
)
"""Every key, once: the window, the help overlay, the README and the tests read this table."""

_CHANGES = {key: binding.change for binding in KEYS for key in binding.keys}


def run_session(
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    *,
    overlay: OverlayOptions,
    options: RunOptions,
    window_title: str | None,
    smooth: bool = True,
    stop: StopToken | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Summary:
    """Explain the newest frame again and again until somebody ends it.

    Args:
        source: Live sources give their newest frame; files are played at their own pace.
        explainer: Explains the frames.
        sinks: Outputs beside the window; closed, and thereby finalised, in every case.
        overlay: How pictures are drawn at first.
        options: Explained class, mirror, limit of frames.
        window_title: Title of the window; ``None`` for no window.
        smooth: Smooth the colour scale in time.
        stop: Ends the session from outside.
        on_notice: Told, in one sentence, what the user should know.

    Returns:
        What was done.

    Raises:
        SourceError: The source gave up.
        SinkError: An output failed; the other outputs are finalised.
        DeviceError: The window cannot be opened.
    """
    session = _Session(source, explainer, overlay, options, smooth, stop or StopToken(), on_notice)
    return session.run(sinks, window_title)


class _Session:
    def __init__(
        self,
        source: Source,
        explainer: Explainer,
        overlay: OverlayOptions,
        options: RunOptions,
        smooth: bool,
        stop: StopToken,
        on_notice: Callable[[str], None] | None,
    ) -> None:
        self._source = source
        self._explainer = explainer
        self._options = options
        self._stop = stop
        self._on_notice = on_notice or (lambda _text: None)
        self._painter = Painter(overlay, moving=source.info.kind != "pictures" and smooth)
        self._state = SessionState(overlay, mirror=options.mirror)
        self._clock = StageClock()
        self._latency = StageClock()
        self._rate = RateMeter()
        self._latency_ms: float | None = None
        self._frames = 0
        self._closed = False
        self._frame: Frame | None = None
        self._explanation: Explanation | None = None

    def run(self, sinks: Sequence[Sink], window_title: str | None) -> Summary:
        live = self._source if isinstance(self._source, LiveSource) else None
        player = None if live is not None else _Player(self._source)
        writer = _Writer(sinks, self._clock)
        window: Window | None = None
        started = time.monotonic()
        failed = True
        try:
            if window_title is not None:
                info = self._source.info
                window = Window(window_title, width=info.width, height=info.height)
            while not self._over(player):
                frame = self._next_frame(live, player)
                if frame is not None:
                    self._explain(frame)
                    self._present(window, writer, is_new=True)
                elif live is not None and live.banner:
                    self._present(window, writer, is_new=False)
                if window is not None and self._obey(window, player):
                    self._present(window, writer, is_new=False)
            failed = False
        finally:
            if player is not None:
                player.close()
            if window is not None:
                window.close()
            if failed:
                _finish_quietly(writer)
        writer.close()
        latency = self._latency.summary().get("latency")
        return Summary(
            frames=self._frames,
            seconds=time.monotonic() - started,
            stages=self._clock.summary(),
            skipped=self._source.skipped,
            outputs=tuple(sink.description for sink in sinks),
            notes=self._source.notes,
            dropped=live.dropped if live is not None else None,
            latency=latency,
        )

    def _over(self, player: _Player | None) -> bool:
        limit = self._options.max_frames
        if self._stop.requested or self._state.quit or self._closed:
            return True
        if limit is not None and self._frames >= limit:
            return True
        if isinstance(self._source, LiveSource):
            return self._source.state == "ended"
        # The last picture stays until somebody closes the window.
        return player is not None and player.ended and not player.by_hand

    def _next_frame(self, live: LiveSource | None, player: _Player | None) -> Frame | None:
        if self._state.frozen or (player is not None and player.ended):
            self._stop.wait(_WAIT_SECONDS)
            return None
        if live is not None:
            return live.newest(_WAIT_SECONDS)
        assert player is not None, "a source is live or played"
        if player.by_hand and self._frame is not None:
            self._stop.wait(_WAIT_SECONDS)
            return None
        return player.newest(_WAIT_SECONDS)

    def _explain(self, frame: Frame) -> None:
        if self._state.mirror:
            frame = mirrored(frame)
        explanation = self._explainer.explain_batch(
            [frame.image], classes=self._options.classes
        )[0]
        for stage in ("preprocess", "network"):
            if stage in explanation.timings_ms:
                self._clock.add(stage, explanation.timings_ms[stage])
        self._frame, self._explanation = frame, explanation
        self._frames += 1

    def _present(self, window: Window | None, writer: _Writer, *, is_new: bool) -> None:
        if self._frame is None or self._explanation is None:
            return
        began = time.perf_counter()
        self._painter.options = self._state.overlay
        picture = self._painter.paint(self._frame.image, self._explanation, self._hud())
        self._clock.add("draw", (time.perf_counter() - began) * 1000.0)
        if window is not None:
            began = time.perf_counter()
            window.show(picture)
            self._clock.add("show", (time.perf_counter() - began) * 1000.0)
        if is_new:
            now = time.monotonic()
            self._rate.tick(now)
            if self._frame.captured_seconds is not None:
                self._latency_ms = (now - self._frame.captured_seconds) * 1000.0
                self._latency.add("latency", self._latency_ms)
            writer.write(self._frame, picture, self._explanation)

    def _hud(self) -> Hud | None:
        if not self._state.show_hud and not self._state.show_help:
            return None
        live = self._source if isinstance(self._source, LiveSource) else None
        runtime = self._explainer.runtime
        hud = Hud(banner=live.banner if live is not None else "")
        if self._state.show_help:
            hud = replace(hud, help_lines=help_lines())
        if self._state.show_hud:
            hud = replace(
                hud,
                fps=None if self._source.info.kind == "pictures" else self._rate.per_second,
                latency_ms=self._latency_ms,
                dropped=live.dropped if live is not None else None,
                model=self._explainer.classifier.name,
                precision=runtime.precision,
                compiled=self._explainer.compiled,
            )
        return hud

    def _obey(self, window: Window, player: _Player | None) -> bool:
        """Apply what was pressed; whether the picture has to be drawn again."""
        before = self._state
        for event in window.poll(1):
            if isinstance(event, Closed):
                self._closed = True
            elif isinstance(event, KeyPressed):
                if player is not None and player.by_hand and event.key in ("space", "n", "right"):
                    self._frame = None  # the next picture
                    continue
                change = _CHANGES.get(event.key)
                if change is not None:
                    self._state = change(self._state)
        return self._state is not before and not self._state.quit


def help_lines() -> tuple[str, ...]:
    """The table of keys as text, one line each."""
    return tuple(f"{' / '.join(binding.keys)}: {binding.help}" for binding in KEYS)


def _finish_quietly(writer: _Writer) -> None:
    """Finalise while another exception is on its way: that one is to be reported."""
    try:
        writer.close()
    except Exception:  # noqa: BLE001
        return
