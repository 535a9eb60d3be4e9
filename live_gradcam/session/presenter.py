"""What is on the screen: the explained frame, drawn as the state says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from live_gradcam.session.analyst import Finding, Reading
from live_gradcam.session.state import SessionState
from live_gradcam.show.overlay import Hud, draw, draw_mosaic, locate
from live_gradcam.show.panels import percent
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.votes import Spot, add_spot, spot_at
from live_gradcam.values import Explanation, Image, Region

_EMPTY_LEVEL = 24


class Presenter:
    """Draws findings; knows the colour scale, which depends on the findings before.

    Args:
        smooth: Keep the scale steady; otherwise every map is stretched to its own maximum.
    """

    def __init__(self, *, smooth: bool) -> None:
        self._scale = HeatScale() if smooth else None
        self._context: object = None

    def take(self, finding: Finding, state: SessionState) -> None:
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
        finding: Finding,
        state: SessionState,
        hud: Hud,
        pointer: tuple[int, int] | None = None,
    ) -> Image:
        """A new picture of the frame's size."""
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
        self, finding: Finding, state: SessionState, pointer: tuple[int, int] | None
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


def empty_picture(width: int, height: int, hud: Hud) -> Image:
    """A picture for the time before the first frame: dark, with the banner."""
    nothing = Explanation(
        predictions=(),
        explained=(),
        evidence=np.zeros((0, 1, 1), np.float32),
        region=Region(0, 0, width, height),
    )
    return draw(np.full((height, width, 3), _EMPTY_LEVEL, np.uint8), nothing, hud=hud)


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
            f"{percent(removal.without_hot)} without the hottest {share}",
            f"{percent(removal.without_random)} without a random {share}",
        ]
        if removal.completeness_residual is not None:
            off = max(removal.completeness_residual, 1e-7)
            lines.append(f"the map sums to the logit within {off:.0e}")
    if scrambled and reading.correlation is not None:
        lines.append(f"rank correlation with the trained map {reading.correlation:+.2f}")
    return tuple(lines)
