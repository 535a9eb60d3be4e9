"""A sink that keeps what it is given: for tests, notebooks and callers that go on in Python."""

from __future__ import annotations

from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Image


class MemorySink(Sink):
    """Keeps every frame, picture and explanation.

    Attributes:
        frames: The source's frames.
        pictures: The drawn pictures, ``uint8 (H, W, 3)`` BGR; ``None`` where none was wanted.
        explanations: What was drawn.
        closed: Whether `close` was called.

    Args:
        needs_picture: ``False`` saves the drawing.
    """

    def __init__(self, *, needs_picture: bool = True) -> None:
        self.needs_picture = needs_picture
        self.frames: list[Frame] = []
        self.pictures: list[Image | None] = []
        self.explanations: list[Explanation] = []
        self.closed = False

    def write(self, frame: Frame, picture: Image | None, explanation: Explanation) -> None:
        """Keep one explained frame."""
        self.frames.append(frame)
        self.pictures.append(picture)
        self.explanations.append(explanation)

    def close(self) -> None:
        """Nothing to finalise."""
        self.closed = True

    @property
    def description(self) -> str:
        """How many frames are kept."""
        return f"memory ({len(self.frames)} frames)"
