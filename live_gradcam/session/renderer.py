"""Renders what is on the screen: the explained frame, as the state says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from live_gradcam.faithfulness.removal import Removal
from live_gradcam.protocol import ExplainerKey
from live_gradcam.session.fit_to_window import fit_frame, fitted_size
from live_gradcam.session.keys import help_groups, help_lines
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.state import SessionState
from live_gradcam.show.overlay import Hud, draw, draw_mosaic, locate
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.votes import Spot, add_spot, spot_at
from live_gradcam.values import Explanation, Image, Region, SourceInfo
from live_gradcam.wording import number, percent, strength

_EMPTY_LEVEL = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures that the session measures and facts that it knows beside the state.

    Attributes:
        fps: Explained frames shown per second.
        latency_ms: Time from capture to show.
        dropped: Number of frames that were replaced by newer ones.
        banner: Sentence about the source that must be seen.
        capture: Size and rate that a camera gives.
        recording_seconds: Length of the recording under way.
        reading: The truth meter's last reading of the class that is shown.
        forwards: Forwards that a slow method has made for the next frame, and all of them.
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
    reading: TruthReading | None = None
    forwards: tuple[int, int] | None = None
    pending: bool = False
    own_layer: bool = True
    may_quit: bool = True


class Renderer:
    """Renders explained frames with a colour scale that depends on the frames before.

    Args:
        smooth: Keep the scale steady; otherwise every map is stretched to its own maximum.
    """

    def __init__(self, *, smooth: bool) -> None:
        self._scale = HeatScale() if smooth else None
        self._context: object = None
        self._fitted: tuple[ExplainedFrame, ExplainedFrame] | None = None

    def update_scale(self, explained: ExplainedFrame, state: SessionState) -> None:
        """Let a newly explained frame move the colour scale."""
        if self._scale is None:
            return
        context = (explained.request.settings.context, state.overlay.signed)
        if context != self._context:
            self._scale.reset()
            self._context = context
        self._scale.update(explained.smoothed, signed=state.overlay.signed)

    def render(
        self,
        explained: ExplainedFrame,
        state: SessionState,
        hud: Hud,
        pointer: tuple[int, int] | None = None,
        window: tuple[int, int] | None = None,
    ) -> Image:
        """Render an explained frame in its own size, or in one that suits the window.

        Args:
            explained: What to render.
            state: How to render it.
            hud: What to write beside it.
            pointer: Position of the mouse, in pixels of the frame.
            window: Width and height of the window's inside; ``None`` for the frame's own size.

        Returns:
            A new ``uint8 (H, W, 3)`` BGR image.
        """
        height, width = explained.frame.image.shape[:2]
        if window is not None:
            explained = self._fit(explained, fitted_size((width, height), window))
        image = explained.frame.image
        options = state.overlay
        if self._scale is not None:
            options = replace(options, scale=self._scale.value)
        mosaic = explained.request.settings.mode == "mosaic"
        rendered = (draw_mosaic if mosaic else draw)(
            image, explained.smoothed, options=options, hud=hud
        )
        if pointer is not None:
            pointer = (pointer[0] * image.shape[1] // width, pointer[1] * image.shape[0] // height)
            spot = _find_spot(explained, state, pointer)
            if spot is not None:
                plain = not mosaic and options.layout != "side-by-side"
                add_spot(rendered, spot, *pointer, outline=spot.cell if plain else None)
        return rendered

    def _fit(self, explained: ExplainedFrame, size: tuple[int, int]) -> ExplainedFrame:
        """Scale a frame once, however often it is rendered."""
        if self._fitted is not None:
            original, fitted = self._fitted
            if original is explained and fitted.frame.image.shape[1::-1] == size:
                return fitted
        fitted = fit_frame(explained, size)
        self._fitted = (explained, fitted)
        return fitted


def _find_spot(
    explained: ExplainedFrame, state: SessionState, pointer: tuple[int, int]
) -> Spot | None:
    """The votes of the spot under the mouse; ``None`` beside the image."""
    height, width = explained.frame.image.shape[:2]
    position = locate(
        *pointer,
        (width, height),
        explained.smoothed,
        options=state.overlay,
        mosaic=explained.request.settings.mode == "mosaic",
    )
    return spot_at(explained.raw, *position) if position is not None else None


def render_empty(size: tuple[int, int], hud: Hud, window: tuple[int, int] | None = None) -> Image:
    """Render the time before the first frame: a dark image with the banner.

    Args:
        size: Width and height of the frames to come.
        hud: What to write.
        window: Width and height of the window's inside, where there is one.
    """
    width, height = fitted_size(size, window) if window is not None else size
    nothing = Explanation(
        predictions=(),
        explained=(),
        evidence=np.zeros((0, 1, 1), np.float32),
        region=Region(0, 0, width, height),
    )
    return draw(np.full((height, width, 3), _EMPTY_LEVEL, np.uint8), nothing, hud=hud)


def make_hud(state: SessionState, request: ExplainRequest, figures: Figures) -> Hud:
    """Choose what is written beside the explanation."""
    used = request.settings
    notes = [state.message] if state.message else []
    if figures.pending:
        notes.append("preparing the network")
    if figures.forwards is not None:
        done, total = figures.forwards
        notes.append(f"{used.key.method}: {done} of {total} forwards")
    wanted = state.settings
    if wanted.key.randomized:
        notes.append("random weights")
    if wanted.measured:
        notes += truth_lines(figures.reading, randomized=wanted.key.randomized)
    hud = Hud(
        banner=figures.banner,
        notes=tuple(notes),
        recording_seconds=figures.recording_seconds,
        help=help_groups(may_quit=figures.may_quit) if state.show_help else (),
        help_lines=help_lines(may_quit=figures.may_quit) if state.show_help else (),
    )
    if not state.show_hud or used.mode == "mosaic":  # the tiles need the room
        return hud
    status = {"frozen": wanted.frozen, "held": wanted.held is not None}
    words = [request.explainer.classifier.name]
    words += [] if figures.own_layer else [used.key.layer]
    words += [] if used.key.method == "gradcam" else [used.key.method]
    return replace(
        hud,
        fps=None if wanted.frozen else figures.fps,
        latency_ms=None if wanted.frozen else figures.latency_ms,
        dropped=figures.dropped,
        status=tuple(word for word, holds in status.items() if holds),
        capture=figures.capture,
        model=" ".join(words),
        precision=request.explainer.runtime.precision,
        compiled=request.explainer.compiled,
    )


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
    if state.settings.truth:
        removal = reading.removal if reading is not None else None
        extra["truth"] = {
            "measured_on": reading.frame_index if reading is not None else None,
            **(removal.as_record() if removal is not None else {}),
        }
    return extra


def truth_lines(reading: TruthReading | None, *, randomized: bool) -> tuple[str, ...]:
    """Describe the truth meter in a few short lines."""
    if reading is None:
        return ("truth meter: measuring",)
    lines = []
    removal = reading.removal
    if removal is None:
        lines.append("truth meter: no evidence to test")
    else:
        share = percent(removal.share)
        lines += [
            f"{removal.label} {_figure(removal, removal.before)}",
            f"hottest {share} blurred: {_figure(removal, removal.without_hot)}, "
            f"{_drop(removal, removal.drop)}",
            f"random {share} blurred: {_figure(removal, removal.without_random)}, "
            f"{_drop(removal, removal.control_drop)}",
        ]
        if removal.completeness_residual is not None:
            off = max(removal.completeness_residual, 1e-7)
            lines.append(f"sums to the logit, ± {off:.0e}")
    if randomized and reading.correlation is not None:
        lines.append(f"correlation with the true map {reading.correlation:+.2f}")
    return tuple(lines)


def _figure(removal: Removal, value: float) -> str:
    return strength(value, is_share=removal.of_probability)


def _drop(removal: Removal, fall: float) -> str:
    if not removal.of_probability:
        return f"{'rise' if fall < 0 else 'drop'} {number(abs(fall))}"
    points = round(fall * 100)
    return f"{'rise' if points < 0 else 'drop'} {abs(points)} %"
