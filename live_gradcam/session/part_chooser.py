"""The part of the frame that somebody chooses with the mouse."""

from __future__ import annotations

from live_gradcam.images.parts import Roi
from live_gradcam.session.controller import Controller
from live_gradcam.session.keys import WHOLE
from live_gradcam.session.renderer import Renderer
from live_gradcam.session.request import ExplainedFrame
from live_gradcam.show.mouse import Dragged
from live_gradcam.values import Region

_LEAST_SIDE = 5  # pixels of the screen; what the mouse draws smaller is a slip


class PartChooser:
    """Turns drags of the mouse into the part that is explained.

    Args:
        renderer: Knows what is where on the screen.
        controller: Keeps what was chosen.
    """

    def __init__(self, renderer: Renderer, controller: Controller) -> None:
        self._renderer = renderer
        self._controller = controller
        self._drawn: Region | None = None

    @property
    def drawn(self) -> Region | None:
        """The rectangle under way, in pixels of the window; ``None`` while there is none."""
        return self._drawn

    def drag(self, drag: Dragged, explained: ExplainedFrame) -> None:
        """Let the rectangle follow the mouse, and explain its part once the button is let go.

        Args:
            drag: What the mouse did.
            explained: The frame that is shown.
        """
        state = self._controller.state
        drawn, part = self._renderer.find_part(drag.start, drag.end, explained, state)
        self._drawn = None if drag.released else drawn
        if drag.released and min(drawn.width, drawn.height) >= _LEAST_SIDE:
            height, width = explained.frame.image.shape[:2]
            words = f"the part {part.width}x{part.height} at {part.x},{part.y} (w: all of it)"
            self._controller.explain_parts(Roi.of(part, width, height), message=words)
            self._controller.publish_state()

    def give_up(self) -> None:
        """Forget the rectangle under way."""
        self._drawn = None

    def explain_whole(self) -> bool:
        """Explain all of the frame again; ``False`` if that is done already."""
        if not self._controller.state.settings.rois:
            return False
        self._controller.explain_parts(message=WHOLE)
        self._controller.publish_state()
        return True
