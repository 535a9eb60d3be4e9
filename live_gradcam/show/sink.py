"""The Sink contract: where explained frames go.

`close` finalises the output, may be called any number of times, and reports a failure to finalise
as a `SinkError` only when no other exception is on its way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from live_gradcam.values import Explanation, Frame, Image


class Sink(ABC):
    """Takes explained frames in order."""

    needs_picture: bool = True
    """Whether `write` looks at the drawn picture; records do not, so nothing need be drawn."""

    @abstractmethod
    def write(self, frame: Frame, picture: Image | None, explanation: Explanation) -> None:
        """Take one explained frame.

        Args:
            frame: The source frame, untouched.
            picture: The drawn picture, ``uint8 (H, W, 3)`` BGR; may be ``None`` only if
                `needs_picture` is ``False``. Belongs to the sink until `write` returns.
            explanation: What was drawn.

        Raises:
            SinkError: The output failed. What was written before stays usable.
        """

    @abstractmethod
    def close(self) -> None:
        """Finalise the output. Idempotent.

        Raises:
            SinkError: The output could not be finalised; the message names what is left of it.
        """

    @property
    @abstractmethod
    def description(self) -> str:
        """What was written, for the summary, e.g. ``out.mp4 (377 frames, 30.2 s)``."""

    @property
    def path(self) -> Path | None:
        """The file or folder that is written; ``None`` for standard output."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know (no sound, moved frames)."""
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self.close()
            return
        # A failure to finalise must not hide why we are leaving.
        try:
            self.close()
        except Exception:
            return
