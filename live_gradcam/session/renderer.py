"""What is on the screen: the explained frame, drawn as the state says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from live_gradcam.session.fit_to_window import on_stage, stage_size
from live_gradcam.session.keys import help_lines
from live_gradcam.session.state import SessionState
from live_gradcam.session.worker import ExplainedFrame, Order, Reading
from live_gradcam.show.overlay import Hud, draw, draw_mosaic, locate
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.votes import Spot, add_spot, spot_at
from live_gradcam.values import Explanation, Image, Region, SourceInfo
from live_gradcam.wording import percent

_EMPTY_LEVEL = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the session measures and knows beside the state.

    Attributes:
        fps: Explained frames shown per second.
        latency_ms: From capture to show.
        dropped: Frames that were replaced by newer ones.
        banner: What the source has to say.
        capture: What a camera gives: size and rate.
        recording_seconds: Length of the recording under way.
        reading: The truth meter's last reading of the class that is shown.
        forwards: How many of how many forwards a slow method has made for the next frame.
        pending: An explainer is being made.
        own_layer: The explained layer is the classifier's own.
        may_quit: A key may end the session.
    """

    fps: float | None = None
    latency_ms: float | None = None
    dropped: int | None = None
    banner: str = ""
    capture: str = ""
    recording_seconds: float | None = None
    reading: Reading | None = None
    forwards: tuple[int, int] | None = None
    pending: bool = False
    own_layer: bool = True
    may_quit: bool = True


class Renderer:
    """Draws findings; knows the colour scale, which depends on the findings before.

    Args:
        smooth: Keep the scale steady; otherwise every map is stretched to its own maximum.
    """

    def __init__(self, *, smooth: bool) -> None:
        self._scale = HeatScale() if smooth else None
        self._context: object = None

    def take(self, finding: ExplainedFrame, state: SessionState) -> None:
        """Let a new finding move the colour scale."""
        if self._scale is None:
            return
        context = (finding.order.context, state.overlay.signed)
        if context != self._context:
            self._scale.reset()
            self._context = context
        self._scale.update(finding.shown, signed=state.overlay.signed)

    def paint(
        self,
        finding: ExplainedFrame,
        state: SessionState,
        hud: Hud,
        pointer: tuple[int, int] | None = None,
        window: tuple[int, int] | None = None,
    ) -> Image:
        """A new picture: of the frame's size, or of one that suits the window.

        Args:
            finding: What to draw.
            state: How to draw it.
            hud: What to write beside it.
            pointer: Where the mouse points to, in pixels of the frame.
            window: Width and height of the window's inside; ``None`` for the frame's own size.
        """
        size = finding.frame.image.shape[1::-1]
        stage = stage_size(size, window) if window is not None else size
        finding = on_stage(finding, stage)
        if pointer is not None:
            pointer = (pointer[0] * stage[0] // size[0], pointer[1] * stage[1] // size[1])
        options = state.overlay
        if self._scale is not None:
            options = replace(options, scale=self._scale.value)
        image = finding.frame.image
        mosaic = finding.order.mode == "mosaic"
        picture = (draw_mosaic if mosaic else draw)(image, finding.shown, options=options, hud=hud)
        spot = self.spot(finding, state, pointer)
        if spot is not None and pointer is not None:
            plain = not mosaic and options.layout != "side-by-side"
            add_spot(picture, spot, *pointer, outline=spot.cell if plain else None)
        return picture

    def spot(
        self, finding: ExplainedFrame, state: SessionState, pointer: tuple[int, int] | None
    ) -> Spot | None:
        """What the spot under the mouse says; ``None`` beside the picture."""
        if pointer is None:
            return None
        height, width = finding.frame.image.shape[:2]
        place = locate(
            *pointer,
            (width, height),
            finding.shown,
            options=state.overlay,
            mosaic=finding.order.mode == "mosaic",
        )
        return spot_at(finding.raw, *place) if place is not None else None


def empty_picture(size: tuple[int, int], hud: Hud, window: tuple[int, int] | None = None) -> Image:
    """A picture for the time before the first frame: dark, with the banner.

    Args:
        size: Width and height of the frames to come.
        hud: What to write.
        window: Width and height of the window's inside, where there is one.
    """
    width, height = stage_size(size, window) if window is not None else size
    nothing = Explanation(
        predictions=(),
        explained=(),
        evidence=np.zeros((0, 1, 1), np.float32),
        region=Region(0, 0, width, height),
    )
    return draw(np.full((height, width, 3), _EMPTY_LEVEL, np.uint8), nothing, hud=hud)


def make_hud(state: SessionState, order: Order, figures: Figures) -> Hud:
    """What is written beside the explanation."""
    notes = [state.message] if state.message else []
    if figures.pending:
        notes.append("preparing the network")
    if figures.forwards is not None:
        done, total = figures.forwards
        notes.append(f"{order.method}: {done} of {total} forwards")
    if state.scrambled:
        notes.append("random weights")
    if state.truth or state.scrambled:
        notes += truth_lines(figures.reading, scrambled=state.scrambled)
    hud = Hud(
        banner=figures.banner,
        notes=tuple(notes),
        recording_seconds=figures.recording_seconds,
        help_lines=help_lines(may_quit=figures.may_quit) if state.show_help else (),
    )
    if not state.show_hud or order.mode == "mosaic":  # the tiles need the room
        return hud
    status = {"frozen": state.frozen, "held": state.held is not None}
    words = [order.explainer.classifier.name]
    words += [] if figures.own_layer else [order.layer]
    words += [] if order.method == "gradcam" else [order.method]
    return replace(
        hud,
        fps=None if state.frozen else figures.fps,
        latency_ms=None if state.frozen else figures.latency_ms,
        dropped=figures.dropped,
        status=tuple(word for word, holds in status.items() if holds),
        capture=figures.capture,
        model=" ".join(words),
        precision=order.explainer.runtime.precision,
        compiled=order.explainer.compiled,
    )


def capture_words(info: SourceInfo | None) -> str:
    """What a camera gives, which is not always what it was asked for; nothing for the others."""
    if info is None or info.kind != "camera":
        return ""
    rate = f" at {info.fps:.3g} FPS" if info.fps else ""
    return f"{info.width}x{info.height}{rate}"


def record_extra(state: SessionState, order: Order, reading: Reading | None) -> Mapping[str, Any]:
    """What records say beyond the explanation."""
    extra: dict[str, Any] = {"layer": order.layer, "scrambled": order.scrambled}
    if state.truth:
        removal = reading.removal if reading is not None else None
        extra["truth"] = {
            "measured_on": reading.frame_index if reading is not None else None,
            **(removal.as_record() if removal is not None else {}),
        }
    return extra


def truth_lines(reading: Reading | None, *, scrambled: bool) -> tuple[str, ...]:
    """The truth meter in a few short lines."""
    if reading is None:
        return ("truth meter: measuring",)
    lines = []
    removal = reading.removal
    if removal is None:
        lines.append("truth meter: no evidence to test")
    else:
        share = f"{removal.share * 100:.0f} %"
        lines += [
            f"{removal.label} {percent(removal.before)}",
            f"hottest {share} blurred: {percent(removal.without_hot)}, {_drop(removal.drop)}",
            f"random {share} blurred: {percent(removal.without_random)}, "
            f"{_drop(removal.control_drop)}",
        ]
        if removal.completeness_residual is not None:
            off = max(removal.completeness_residual, 1e-7)
            lines.append(f"sums to the logit, ± {off:.0e}")
    if scrambled and reading.correlation is not None:
        lines.append(f"correlation with the true map {reading.correlation:+.2f}")
    return tuple(lines)


def _drop(probability: float) -> str:
    points = round(probability * 100)
    return f"{'rise' if points < 0 else 'drop'} {abs(points)} %"
