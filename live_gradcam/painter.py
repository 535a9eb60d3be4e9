"""Rendering of the explained frames of one source, with the state that steady colours need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from live_gradcam.show.figure import FigureDrawer
from live_gradcam.show.layout import Seat
from live_gradcam.show.overlay import Hud, OverlayOptions, compose, paint
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
        self._scale = HeatScale() if moving else None
        self._seats: Mapping[str, Seat] | None = None

    def paint(self, image: Image, explanation: Explanation, hud: Hud | None = None) -> Image:
        """Draw one frame; the image itself stays untouched.

        Args:
            image: ``uint8 (H, W, 3)`` BGR.
            explanation: The explanation to draw over it.
            hud: Measured figures to show, if any.

        Returns:
            A new ``uint8 (H, W, 3)`` BGR image; larger than the given one only for files.
        """
        options = self.options
        if self._scale is not None:
            options = replace(options, scale=self._scale.update(explanation, signed=options.signed))
        if self._figures is not None:
            made = self._figures.compose(image, explanation, options, hud, self._seats)
        else:
            scene = paint(image, explanation, options=options, hud=hud)
            made = compose(scene, explanation, options=options, hud=hud, seats=self._seats)
        if self._scale is not None:
            self._seats = made.seats
        return made.image
