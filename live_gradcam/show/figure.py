"""Drawn images for files: a picture that is too small to be written on gets room beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from live_gradcam.show.layout import Seat, Space
from live_gradcam.show.layout.extended import extend, needs_extension
from live_gradcam.show.options import Hud, OtherPart, OverlayOptions
from live_gradcam.show.overlay import Composition, compose, find_pictures, paint
from live_gradcam.show.pieces import Written, make_pieces
from live_gradcam.values import Explanation, Image, Region

# What is written on every image of a run; the rest comes and goes, and takes what room there is.
_LASTING = ("labels", "legend", "sentence", "rates")
# In em: one more label, where a later image lists the explained class below the others.
_SPARE_EM = 2.2
# In em: enough for every panel to be as wide as it likes.
_WIDTH_EM = 14.0
_ROOMY = 8
# Side in pixels below which whatever is written hides what it is about.
_SMALL = 200


class FigureDrawer:
    """Draws images for files, all of one size with the same room for what is written.

    In the window nothing needs it: there, small pictures are enlarged.
    """

    def __init__(self) -> None:
        self._rooms: dict[tuple[int, int], tuple[tuple[int, int], Region] | None] = {}

    def draw(
        self, image: Image, explanation: Explanation, options: OverlayOptions, hud: Hud | None
    ) -> Image:
        """Draw an explanation on a copy of an image, and what is written beside it if it is small.

        Args:
            image: ``uint8 (H, W, 3)`` BGR; not modified.
            explanation: The first of its maps is drawn.
            options: Options of the overlay.
            hud: Rates and messages to draw on top.

        Returns:
            ``uint8`` BGR of the image's size, or of a larger one that has it unscaled.
        """
        return self.compose(image, explanation, options, hud).image

    def compose(
        self,
        image: Image,
        explanation: Explanation,
        options: OverlayOptions,
        hud: Hud | None,
        seats: Mapping[str, Seat] | None = None,
        others: Sequence[OtherPart] = (),
    ) -> Composition:
        """As `draw`, with how it came about.

        Args:
            image: ``uint8 (H, W, 3)`` BGR; not modified.
            explanation: The first of its maps is drawn.
            options: Options of the overlay.
            hud: Rates and messages to draw on top.
            seats: The seats of the frame before, where frames follow each other in time.
            others: As for `live_gradcam.show.overlay.paint`.
        """
        frame = (image.shape[1], image.shape[0])
        if frame not in self._rooms:
            self._rooms[frame] = _find_room(frame, explanation, options, hud or Hud())
        room = self._rooms[frame]
        size, place = room if room is not None else (None, None)
        scene = paint(
            image, explanation, options=options, hud=hud, size=size, place=place, others=others
        )
        space = None if size is None else Space.of(*frame, options.hud_layout).on(*size)
        return compose(
            scene, explanation, options=options, hud=hud, space=space, seats=seats, others=others
        )


def _find_room(
    frame: tuple[int, int], explanation: Explanation, options: OverlayOptions, hud: Hud
) -> tuple[tuple[int, int], Region] | None:
    """Return size of the canvas and place of the picture; ``None`` where the picture has room."""
    pictures = find_pictures(frame, frame, explanation, options)
    # As wide and high as anything could want, so that every piece is measured.
    space = Space.of(*frame, options.hud_layout)
    wanted = round(_WIDTH_EM * space.size) + 2 * space.margin
    space = space.on(max(frame[0], wanted), _ROOMY * max(frame))
    written = Written(explanation, options, hud, 1.0, space, pictures)
    found = (
        next((panel for panel in piece.versions if panel is not None), None)
        for piece in make_pieces(written)
        if piece.name in _LASTING
    )
    panels = [panel for panel in found if panel is not None]
    if not panels:
        return None
    width = max(panel.width for panel in panels)
    height = sum(panel.height + space.margin for panel in panels) - space.margin
    if min(frame) >= _SMALL and not needs_extension(frame, (width, height)):
        return None
    block = (width, height + round(_SPARE_EM * space.size))
    # A sentence stands in the middle of the canvas.
    return extend(frame, block, space.margin, below_only=options.hud_layout == "stage")
