"""Renders what is on the screen: the explained frame, as the state says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from live_gradcam.choices import DEFAULT_HUD_LAYOUT, HudLayout
from live_gradcam.faithfulness.verdicts import (
    removal_figures,
    removal_sentence,
    scramble_sentence,
)
from live_gradcam.graph.engines.devices import TITLES
from live_gradcam.protocol import ExplainerKey
from live_gradcam.session.keys import help_groups
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.state import SessionState
from live_gradcam.show.layout import Seat
from live_gradcam.show.mouse import ScreenPoint
from live_gradcam.show.options import HelpGroup
from live_gradcam.show.overlay import (
    Hud,
    MarkedArea,
    OtherPart,
    OverlayOptions,
    compose,
    draw,
    locate,
    locate_part,
    paint,
)
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.scene import BACKDROP, Scene, outline_cell
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, Frame, Image, Region, SourceInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures that the session measures and facts that it knows beside the state.

    Attributes:
        fps: Explained frames shown per second.
        latency_ms: Time from capture to show.
        dropped: Number of frames that were replaced by newer ones.
        caption: Name of the picture, and which of how many it is.
        banner: Sentence about the source that must be seen.
        capture: Size and rate that a camera gives.
        recording_seconds: Length of the recording under way.
        reading: The truth meter's last reading of the class that is shown.
        marked: The area that it speaks of.
        outside: Why not every part that was asked for is explained; empty if each is.
        forwards: Forwards that a slow method has made for the next frame, and all of them.
        pending: An explainer is being made.
        own_layer: The explained layer is the classifier's own.
        may_quit: A key may end the session.
    """

    fps: float | None = None
    latency_ms: float | None = None
    dropped: int | None = None
    caption: str = ""
    banner: str = ""
    capture: str = ""
    recording_seconds: float | None = None
    reading: TruthReading | None = None
    marked: MarkedArea | None = None
    outside: str = ""
    forwards: tuple[int, int] | None = None
    pending: bool = False
    own_layer: bool = True
    may_quit: bool = True


class Renderer:
    """Renders explained frames with what depends on the frames before: colour scale and places.

    Args:
        smooth: Keep the scale steady; otherwise every map is stretched to its own maximum.
    """

    def __init__(self, *, smooth: bool) -> None:
        self._scales = [HeatScale()] if smooth else None
        self._context: object = None
        self._seats: dict[tuple[int, int], Mapping[str, Seat]] = {}
        self._fresh: set[tuple[int, int]] = set()
        self._scene: tuple[object, Scene] | None = None
        self._last: object = None

    def update_scale(self, explained: ExplainedFrame, state: SessionState) -> None:
        """Let a newly explained frame move the colour scale, and the panels."""
        # Only where every frame was rendered, a panel knows where it stood in the one before.
        self._seats = {canvas: self._seats[canvas] for canvas in self._fresh}
        self._fresh = set()
        if self._scales is None:
            self._seats = {}
            return
        place = explained.frame.place  # each picture has a scale of its own
        context = (explained.request.settings.context, state.overlay.signed, place)
        if context != self._context:
            self._scales = []
            self._context = context
        shown = (explained.smoothed, *(each.smoothed for each in explained.others))
        self._scales += [HeatScale() for _ in shown[len(self._scales) :]]
        for scale, each in zip(self._scales, shown, strict=False):
            scale.update(each, signed=state.overlay.signed)

    def render(
        self,
        explained: ExplainedFrame,
        state: SessionState,
        hud: Hud,
        pointer: tuple[int, int] | None = None,
        size: tuple[int, int] | None = None,
        *,
        chosen: Region | None = None,
    ) -> Image:
        """Render an explained frame.

        Args:
            explained: What to render.
            state: How to render it.
            hud: What to write beside it.
            pointer: Position of the mouse, in pixels of the frame.
            size: Width and height of the result, into which the frame is fitted, e.g. those of the
                window; the frame's own if ``None``.
            chosen: A rectangle that the mouse draws just now, in pixels of the result.

        Returns:
            A new ``uint8 (H, W, 3)`` BGR image.
        """
        image = explained.frame.image
        canvas = (image.shape[1], image.shape[0]) if size is None or min(size) <= 0 else size
        options = state.overlay
        if self._scales:
            options = replace(options, scale=self._scales[0].value)
        others = self._other_parts(explained)
        mosaic = explained.request.settings.mode == "mosaic"
        shown = next(iter(explained.smoothed.explained), None)
        spot = spot_at(explained.raw, *pointer, shown=shown) if pointer is not None else None
        composition = compose(
            self._paint(explained, options, hud, canvas, others, mosaic=mosaic),
            explained.smoothed,
            options=options,
            hud=hud,
            mosaic=mosaic,
            pointing=spot,
            seats=self._seats.get(canvas),
            others=others,
        )
        if chosen is not None:
            outline_cell(composition.image, chosen)
        # The panels' patience counts frames, however often each of them is rendered.
        if canvas not in self._fresh:
            self._seats[canvas] = composition.seats
            self._fresh.add(canvas)
        return composition.image

    def find_pixel(
        self, x: int, y: int, explained: ExplainedFrame, state: SessionState, size: tuple[int, int]
    ) -> tuple[int, int] | None:
        """Find the frame's pixel under a pixel of what was rendered; ``None`` beside the frame.

        Args:
            x: Column in the rendered image.
            y: Row in the rendered image.
            explained: What was rendered.
            state: How it was rendered.
            size: Width and height of the rendered image.
        """
        image = explained.frame.image
        mosaic = explained.request.settings.mode == "mosaic"
        return locate(
            x,
            y,
            (image.shape[1], image.shape[0]),
            explained.smoothed,
            options=state.overlay,
            mosaic=mosaic,
            size=size,
        )

    def find_part(
        self,
        start: ScreenPoint,
        end: ScreenPoint,
        explained: ExplainedFrame,
        state: SessionState,
    ) -> tuple[Region, Region]:
        """Find the part of the frame between two pixels of what was rendered; as `find_pixel`.

        Args:
            start: Where the mouse began.
            end: Where it is.
            explained: What was rendered.
            state: How it was rendered.

        Returns:
            The rectangle in pixels of the rendered image, and in those of the frame.
        """
        image = explained.frame.image
        return locate_part(
            (start.x, start.y),
            (end.x, end.y),
            (image.shape[1], image.shape[0]),
            explained.smoothed,
            options=state.overlay,
            mosaic=explained.request.settings.mode == "mosaic",
            size=end.size,
            start_size=start.size,
        )

    def _other_parts(self, explained: ExplainedFrame) -> tuple[OtherPart, ...]:
        """Return the further parts with the scales of their colours."""
        others, scales = explained.others, (self._scales or ())[1:]
        known = [scale.value for scale in scales][: len(others)]
        values = [*known, *([None] * (len(others) - len(known)))]
        return tuple(OtherPart(o.smoothed, v) for o, v in zip(others, values, strict=True))

    def _paint(
        self,
        explained: ExplainedFrame,
        options: OverlayOptions,
        hud: Hud,
        canvas: tuple[int, int],
        others: tuple[OtherPart, ...],
        *,
        mosaic: bool,
    ) -> Scene:
        """Paint the pictures; once for a frame that is rendered again and again."""
        image, explanation = explained.frame.image, explained.smoothed
        # Values that are compared by identity are held on to, so that no other takes their place.
        what = (explained, options, canvas, mosaic, hud.marked)
        if self._scene is not None and self._scene[0] == what:
            return self._scene[1].copy()
        scene = paint(
            image,
            explanation,
            options=options,
            hud=hud,
            size=canvas,
            mosaic=mosaic,
            others=others,
        )
        again, self._last = self._last == what, what
        self._scene = (what, scene.copy()) if again else None
        return scene


def render_empty(size: tuple[int, int], hud: Hud, layout: HudLayout = DEFAULT_HUD_LAYOUT) -> Image:
    """Render the time before the first frame: a dark image with the banner.

    Args:
        size: Width and height of the result.
        hud: What to write.
        layout: How it is written.
    """
    width, height = size
    nothing = Explanation(
        predictions=(),
        explained=(),
        evidence=np.zeros((0, 1, 1), np.float32),
        region=Region(0, 0, width, height),
    )
    dark = np.full((height, width, 3), BACKDROP, np.uint8)
    return draw(dark, nothing, options=OverlayOptions(hud_layout=layout), hud=hud)


def make_hud(state: SessionState, request: ExplainRequest, figures: Figures) -> Hud:
    """Choose what is written beside the explanation."""
    used = request.settings
    notes = [state.message] if state.message else []
    notes += [figures.outside] if figures.outside else []
    if figures.pending:
        notes.append("preparing the network")
    if figures.forwards is not None:
        done, total = figures.forwards
        notes.append(f"{used.key.method}: {done} of {total} forwards")
    wanted = state.settings
    if wanted.key.randomized:
        notes.append("random weights")
    random, reading = wanted.key.randomized, figures.reading
    hud = Hud(
        caption=figures.caption,
        banner=figures.banner,
        notes=tuple(notes),
        recording_seconds=figures.recording_seconds,
        help=_help(state, figures) if state.show_help else (),
        verdict=truth_sentence(reading, randomized=random) if wanted.measured else "",
        marked=figures.marked if wanted.measured and not random else None,
        figures=truth_figures(reading, randomized=random) if wanted.measured else (),
    )
    held = wanted.held is not None
    status = {
        "frozen": wanted.frozen,
        "held": held,
        "part": bool(wanted.rois) and not figures.outside,
    }
    words = [request.explainer.classifier.name]
    words += ["taught"] if used.key.head else []
    words += [] if figures.own_layer else [used.key.layer]
    words += [] if used.key.method == "gradcam" else [used.key.method]
    runtime = request.explainer.runtime
    beside = {str(name): title for name, title in TITLES.items()}.get(runtime.engine, "")
    return replace(
        hud,
        fps=None if wanted.frozen else figures.fps,
        latency_ms=None if wanted.frozen else figures.latency_ms,
        dropped=figures.dropped,
        status=tuple(word for word, holds in status.items() if holds),
        capture=figures.capture,
        model=" ".join(words),
        precision=f"{runtime.precision} {beside}".rstrip(),
        compiled=None if beside else request.explainer.compiled,
    )


def _help(state: SessionState, figures: Figures) -> tuple[HelpGroup, ...]:
    return help_groups(may_quit=figures.may_quit, teaching=state.teaching.open)


def caption(frame: Frame) -> str:
    """Describe which picture a frame is: its file and, of several, its number; else nothing."""
    if frame.place is None:
        return ""
    number, count = frame.place
    return f"{frame.source} · {number} of {count}" if count > 1 else frame.source


def window_title(title: str, frame: Frame) -> str:
    """Title of the window while a frame is shown: which picture it is stands first."""
    shown = caption(frame)
    return f"{shown} - {title}" if shown else title


def describe_capture(info: SourceInfo | None) -> str:
    """Describe what a camera gives, which need not be what it was asked for; else nothing."""
    if info is None or info.kind != "camera":
        return ""
    rate = f" at {info.fps:.3g} FPS" if info.fps else ""
    return f"{info.width}x{info.height}{rate}"


def record_extra(
    state: SessionState, used: ExplainerKey, reading: TruthReading | None
) -> Mapping[str, Any]:
    """Make the fields of records beyond the explanation."""
    extra: dict[str, Any] = {"layer": used.layer, "scrambled": used.randomized}
    if used.head:
        extra["taught"] = True
    if state.settings.truth:
        removal = reading.removal if reading is not None else None
        extra["truth"] = {
            "measured_on": reading.frame_index if reading is not None else None,
            **(removal.as_record() if removal is not None else {}),
        }
    return extra


def truth_sentence(reading: TruthReading | None, *, randomized: bool) -> str:
    """Say in one sentence what the truth meter has found out, or what it is finding out."""
    if randomized:
        return scramble_sentence(reading.correlation if reading is not None else None)
    if reading is None:
        return "Hiding parts of the picture one after the other, to see which one decides."
    return removal_sentence(reading.removal)


def truth_figures(reading: TruthReading | None, *, randomized: bool) -> tuple[str, ...]:
    """Write the truth meter's figures, for experts."""
    if reading is None:
        return ()
    lines = removal_figures(reading.removal)
    if randomized and reading.correlation is not None:
        lines += (f"correlation with the true map {reading.correlation:+.2f}",)
    return lines
