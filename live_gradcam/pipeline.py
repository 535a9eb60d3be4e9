"""Offline runs: every frame of a source is explained, rendered and written, in order.

Four stages overlap, each in a thread of its own with a short queue before it: read, explain, draw,
write. The caller's thread only watches: it stays free for signals, progress and the window. An
exception in any stage stops all of them and is raised again in the caller.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from live_gradcam.budget import limit_drawing
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.images.geometry import mirror_frame
from live_gradcam.images.parts import Roi, explain_parts, require_parts
from live_gradcam.lifecycle import StopToken
from live_gradcam.painter import Painter
from live_gradcam.protocol import BatchExplainer, ClassChoice
from live_gradcam.show.overlay import Hud
from live_gradcam.show.sink import Sink, closing_sinks
from live_gradcam.timing import RateMeter, StageClock, StageTimes, SteadyFigure
from live_gradcam.values import Explanation, Frame, Image, Region
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup

_QUEUE_FRAMES = 4
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run.

    Attributes:
        frames: Frames finished so far.
        total: Frames expected, where known.
        per_second: Rate over the last second, once known.
    """

    frames: int
    total: int | None
    per_second: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Result of a run.

    Attributes:
        frames: Frames explained and written.
        seconds: From the first frame asked for to the last one finished.
        stages: Time per frame of each stage.
        skipped: Frames or images that could not be decoded.
        outputs: One description for each output.
        notes: One sentence for each thing the user should know.
        dropped: Frames of a live source that were replaced by newer ones.
        latency: Capture-to-show of live frames, in milliseconds.
        pictures: The frames are pictures that stand still, not those of a film.
    """

    frames: int
    seconds: float
    stages: Mapping[str, StageTimes]
    skipped: int = 0
    outputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: int | None = None
    latency: StageTimes | None = None
    pictures: bool = False

    @property
    def per_second(self) -> float:
        """Frames per second of the whole run."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class _Item:
    """A frame on its way through the stages."""

    frame: Frame
    parts: tuple[Region, ...] = ()
    explanations: Sequence[Explanation] = ()
    rendered: Image | None = None
    extras: list[dict[str, Any] | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run.

    Attributes:
        classes: The explained classes; ``None`` for the top one (see `Explainer.explain`).
        max_frames: Stop after so many frames; ``None`` for all.
        mirror: Flip every frame left to right before it is explained.
        batch_size: Frames explained in one forward; they are never waited for.
        show_rate: Draw the measured rate into the image. Without it, the same input gives the same
            image on every machine.
        truth: Test each frame by removal, or those that a function names, see
            `live_gradcam.faithfulness.removal`; records have the result as ``truth``, ``None``
            where a map has no positive evidence.
        rois: Parts of every frame, mirrored if that is asked for, each explained by itself, in one
            batch; none is the whole frame. A picture that a part lies outside of is left out.
    """

    classes: ClassChoice = None
    max_frames: int | None = None
    mirror: bool = False
    batch_size: int = 1
    show_rate: bool = True
    truth: bool | Callable[[Frame], bool] = False
    rois: tuple[Roi, ...] = ()

    def __post_init__(self) -> None:
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, not {self.max_frames}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")


def run_offline(
    source: Source,
    explainer: BatchExplainer,
    sinks: Sequence[Sink],
    *,
    painter: Painter,
    options: RunOptions | None = None,
    stop: StopToken | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_rendered: Callable[[Frame, Image], bool] | None = None,
    on_idle: Callable[[], bool] | None = None,
) -> Summary:
    """Explain every frame of a source, in order, and write each to every sink.

    The sinks are closed, and thereby finalised, in every case; the source and the explainer stay
    the caller's.

    Args:
        source: Where frames come from.
        explainer: Explains them.
        sinks: Where they go; may be empty if ``on_rendered`` takes them.
        painter: Renders them, for the sinks that want that.
        options: Options of a run.
        stop: Asked between two frames; when set, what was begun is finished and finalised.
        on_progress: Told about the progress, in the caller's thread.
        on_rendered: Takes every rendered frame, in the caller's thread, in order; returns ``False``
            to end the run.
        on_idle: Called in the caller's thread some twenty times a second while there is nothing
            else to do; returns ``False`` to end the run.

    Returns:
        The result.

    Raises:
        SourceError: The source broke; everything before is written.
        SinkError: An output failed; the other outputs are finalised.
    """
    run = _OfflineRun(
        source,
        explainer,
        sinks,
        painter,
        options or RunOptions(),
        stop or StopToken(),
        wants_rendered=on_rendered is not None,
    )
    return run.execute(on_progress, on_rendered, on_idle)


@dataclass(slots=True)
class _OfflineRun:
    source: Source
    explainer: BatchExplainer
    sinks: Sequence[Sink]
    painter: Painter
    options: RunOptions
    stop: StopToken
    wants_rendered: bool
    clock: StageClock = field(default_factory=StageClock)
    rate: RateMeter = field(default_factory=RateMeter)
    steady: SteadyFigure = field(default_factory=SteadyFigure)
    writing: bool = False
    written: threading.Event = field(default_factory=threading.Event)
    read: Channel[_Item] = field(default_factory=lambda: Channel(_QUEUE_FRAMES))
    explained: Channel[_Item] = field(default_factory=lambda: Channel(_QUEUE_FRAMES))
    drawn: Channel[_Item] = field(default_factory=lambda: Channel(_QUEUE_FRAMES))
    # Images only where somebody looks at them: what waits here would hold memory for nothing.
    finished: Channel[_Item | None] = field(default_factory=lambda: Channel(_QUEUE_FRAMES))
    source_error: SourceError | None = None
    left_out: list[SourceError] = field(default_factory=list)
    taken: int = 0

    def execute(
        self,
        on_progress: Callable[[Progress], None] | None,
        on_rendered: Callable[[Frame, Image], bool] | None,
        on_idle: Callable[[], bool] | None,
    ) -> Summary:
        if self.options.batch_size > _QUEUE_FRAMES:
            self.read = Channel(2 * self.options.batch_size)
        limit_drawing()
        started = time.monotonic()
        frames = 0
        workers = WorkerGroup("offline", self._abort)
        # The outputs are finished before a network that still computes is waited for.
        with workers:
            with closing_sinks(self.sinks), self._written_before_closing():
                workers.start("read", self._read)
                workers.start("explain", self._explain)
                workers.start("draw", self._draw)
                self.writing = True
                workers.start("write", self._write)
                while True:
                    try:
                        item = self.finished.get(_POLL_SECONDS)
                    except TimeoutError:
                        if on_idle is not None and not on_idle():
                            self.stop.request()
                        if self.stop.requested:
                            self.source.interrupt()
                        continue
                    except (ChannelClosed, ChannelAborted):
                        break
                    frames += 1
                    if (
                        on_rendered is not None
                        and item is not None
                        and item.rendered is not None
                        and not self.stop.requested
                        and not on_rendered(item.frame, item.rendered)
                    ):
                        self.stop.request()
                    if on_progress is not None:
                        on_progress(Progress(frames, self._expected_total(), self.rate.per_second))
                workers.reraise()
            self.stop.be_patient(0)
            workers.join()
            seconds = time.monotonic() - started
        workers.reraise()
        if self.source_error is not None:
            raise self.source_error
        return Summary(
            frames=frames,
            seconds=seconds,
            stages=self.clock.summary(),
            skipped=self.source.skipped + len(self.left_out),
            outputs=tuple(sink.description for sink in self.sinks),
            notes=(
                *self.source.notes,
                *(f"left out: {error}" for error in self.left_out),
                *(note for sink in self.sinks for note in sink.notes),
            ),
            pictures=self.source.info.kind == "pictures",
        )

    @contextlib.contextmanager
    def _written_before_closing(self) -> Iterator[None]:
        """Wait for the thread that writes, in every case: nobody may write to a closed output."""
        try:
            yield
        except BaseException:
            self._abort()
            raise
        finally:
            if self.writing:
                self.written.wait()
            self.stop.be_patient()

    def _expected_total(self) -> int | None:
        known = self.source.info.frame_count
        limit = self.options.max_frames
        if known is None or limit is None:
            return known if limit is None else limit
        return min(known, limit)

    def _abort(self) -> None:
        for channel in (self.read, self.explained, self.drawn, self.finished):
            channel.abort()

    def _read(self) -> None:
        """Read frames into the queue; if the source breaks, everything before is still written."""
        limit = self.options.max_frames
        iterator = iter(self.source)
        try:
            while not self.stop.requested:
                began = time.perf_counter()
                try:
                    frame = next(iterator, None)
                except SourceError as error:
                    self.source_error = error
                    break
                if frame is None:
                    break
                if self.options.mirror:
                    frame = mirror_frame(frame)
                self.clock.add("decode", _milliseconds_since(began))
                parts = self._parts_of(frame)
                if parts is not None:
                    self.taken += 1
                    self.read.put(_Item(frame, parts))
                if limit is not None and frame.index + 1 >= limit:
                    break
            if self.left_out and not self.taken:
                self.source_error = self.source_error or self.left_out[0]
        finally:
            self.read.close()

    def _parts_of(self, frame: Frame) -> tuple[Region, ...] | None:
        """Return the parts to explain; ``None`` for a picture that they lie outside of."""
        try:
            return require_parts(self.options.rois, frame.image, frame.source)
        except SourceError as error:
            if self.source.info.kind != "pictures":
                raise
            self.left_out.append(error)
            return None

    def _explain(self) -> None:
        while items := self.read.get_ready(self.options.batch_size):
            found = explain_parts(
                self.explainer,
                [item.frame.image for item in items],
                [item.parts for item in items],
                classes=self.options.classes,
            )
            for item, explanations in zip(items, found, strict=True):
                item.explanations = explanations
                item.extras = [self._extra(item.frame, each) for each in explanations]
                for stage in ("preprocess", "network"):
                    if all(stage in each.timings_ms for each in explanations):
                        total = sum(each.timings_ms[stage] for each in explanations)
                        self.clock.add(stage, total)
                self.rate.tick(time.monotonic())
                self.explained.put(item)
            if self.stop.requested:
                break  # what is read but not explained is not worth the wait
        self.explained.close()
        self.read.abort()

    def _extra(self, frame: Frame, explanation: Explanation) -> dict[str, Any] | None:
        wanted = self.options.truth
        if not (wanted(frame) if callable(wanted) else wanted):
            return None
        tested = removal_test(self.explainer, frame.image, explanation)
        return {"truth": None if tested is None else tested.as_record()}

    def _draw(self) -> None:
        wanted = self.wants_rendered or any(sink.needs_rendered for sink in self.sinks)
        for item in self.explained:
            if wanted:
                began = time.perf_counter()
                hud = Hud(fps=self._shown_rate(item.frame)) if self.options.show_rate else None
                item.rendered = self._painted(item, hud)
                self.clock.add("draw", _milliseconds_since(began))
            self.drawn.put(item)
        self.drawn.close()

    def _painted(self, item: _Item, hud: Hud | None) -> Image:
        first, *others = item.explanations
        more = {"others": others} if others else {}
        return self.painter.paint(item.frame.image, first, hud, **more)

    def _shown_rate(self, frame: Frame) -> float | None:
        """Return a rate that stands still for a second of the film, so that it can be read."""
        return self.steady.update(self.rate.per_second, frame.pts_seconds)

    def _write(self) -> None:
        try:
            # An end that was asked for is quick, and the same for every output: what waits here
            # then is written to none.
            while not self.stop.requested:
                try:
                    item = self.drawn.get(_POLL_SECONDS)
                except TimeoutError:
                    continue
                except ChannelClosed:
                    break
                self._write_item(item)
                self.finished.put(item if self.wants_rendered else None)
            self.finished.close()
            for channel in (self.read, self.explained, self.drawn):
                channel.abort()
        finally:
            self.written.set()

    def _write_item(self, item: _Item) -> None:
        began = time.perf_counter()
        self.stop.be_patient()
        for sink in self.sinks:
            sink.write_parts(item.frame, item.rendered, item.explanations, item.extras)
        self.stop.be_patient(0)
        if self.sinks:
            self.clock.add("write", _milliseconds_since(began))


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000.0
