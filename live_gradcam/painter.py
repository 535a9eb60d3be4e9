"""Rendering of the explained frames of one source, with the state that steady colours need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from live_gradcam.show.figure import FigureDrawer
from live_gradcam.show.layout import Seat
from live_gradcam.show.overlay import Hud, OtherPart, OverlayOptions, compose, paint
from live_gradcam.show.scale import HeatScale
from live_gradcam.values import Explanation, Image


class Painter:
    """Renderer of explained frames, one after another.

    Args:
        options: Options of the overlays.
        moving: ``True`` for frames that follow each other in time: the colour scale is then a
            smoothed maximum, so that noise is never stretched to full heat, and panels that make
            room for an object do so with patience. Unrelated images each get their own.
        for_files: ``True`` writes beside images that are too small to be written on, which become
            larger.
    """

    def __init__(self, options: OverlayOptions, *, moving: bool, for_files: bool = False) -> None:
        self.options = options
        self._figures = FigureDrawer() if for_files else None
        self._moving = moving
        self._scales: list[HeatScale] = []
        self._seats: Mapping[str, Seat] | None = None

    def paint(
        self,
        image: Image,
        explanation: Explanation,
        hud: Hud | None = None,
        *,
        others: Sequence[Explanation] = (),
    ) -> Image:
        """Draw one frame; the image itself stays untouched.

        Args:
            image: ``uint8 (H, W, 3)`` BGR.
            explanation: The explanation to draw over it.
            hud: Measured figures to show, if any.
            others: Of further parts of the image, always in the same order; each part's colours
                have a scale of their own.

        Returns:
            A new ``uint8 (H, W, 3)`` BGR image; larger than the given one only for files.
        """
        options = self.options
        scale, *scales = self._next_scales((explanation, *others))
        if scale is not None:
            options = replace(options, scale=scale)
        parts = tuple(map(OtherPart, others, scales))
        if self._figures is not None:
            made = self._figures.compose(image, explanation, options, hud, self._seats, parts)
        else:
            scene = paint(image, explanation, options=options, hud=hud, others=parts)
            made = compose(
                scene, explanation, options=options, hud=hud, seats=self._seats, others=parts
            )
        if self._moving:
            self._seats = made.seats
        return made.image

    def _next_scales(self, explanations: Sequence[Explanation]) -> list[float | None]:
        """Return the scale of each part's colours; ``None`` for its map's own maximum."""
        if not self._moving:
            return [None for _ in explanations]
        self._scales += [HeatScale() for _ in explanations[len(self._scales) :]]
        pairs = zip(self._scales, explanations, strict=False)
        return [scale.update(each, signed=self.options.signed) for scale, each in pairs]
