"""A sink that keeps what it is given, for tests, notebooks and callers that go on in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image


class MemorySink(Sink):
    """Sink that keeps every frame, its rendered image, its explanation and its extra fields.

    Attributes:
        frames: The source's frames.
        rendered: The frames with their overlays, ``uint8 (H, W, 3)`` BGR; ``None`` where nothing
            was drawn.
        explanations: The explanations.
        extras: The extra fields of each frame's record.
        closed: True after `close`.

    Args:
        needs_rendered: ``False`` saves the drawing.
    """

    def __init__(self, *, needs_rendered: bool = True) -> None:
        self.needs_rendered = needs_rendered
        self.frames: list[Frame] = []
        self.rendered: list[Image | None] = []
        self.explanations: list[Explanation] = []
        self.extras: list[Mapping[str, Any]] = []
        self.closed = False

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Keep one explained frame."""
        self.frames.append(frame)
        self.rendered.append(rendered)
        self.explanations.append(explanation)
        self.extras.append(extra or {})

    @override
    def write_parts(
        self,
        frame: Frame,
        rendered: Image | None,
        explanations: Sequence[Explanation],
        extras: Sequence[Extra],
    ) -> None:
        for explanation, extra in zip(explanations, extras, strict=True):
            self.write(frame, rendered, explanation, extra=extra)

    def close(self) -> None:
        """Note that the sink was closed; there is nothing to finalise."""
        self.closed = True

    @property
    def description(self) -> str:
        """Number of frames kept."""
        return f"memory ({len(self.frames)} frames)"
