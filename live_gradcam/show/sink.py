"""The contract of sinks, which explained frames go to.

`close` finalises the output, may be called any number of times, and reports a failure to finalise
as a `SinkError` only when no other exception is on its way.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from live_gradcam.closeable import Closeable
from live_gradcam.values import Explanation, Frame, Image

Extra: TypeAlias = "Mapping[str, Any] | None"
"""Further fields for records, by name."""


class Sink(Closeable, ABC):
    """An output that takes explained frames in order."""

    needs_rendered: bool = True
    """True if `write` uses the rendered image; for records alone, nothing is drawn."""

    @abstractmethod
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one explained frame.

        Args:
            frame: The source frame, untouched.
            rendered: The frame with its overlay, ``uint8 (H, W, 3)`` BGR; may be ``None`` only if
                `needs_rendered` is ``False``. Belongs to the sink until `write` returns.
            explanation: The explanation that the overlay shows.
            extra: Further fields for records, by name; other outputs have no place for them.

        Raises:
            SinkError: The output failed. What was written before stays usable.
        """

    def write_parts(
        self,
        frame: Frame,
        rendered: Image | None,
        explanations: Sequence[Explanation],
        extras: Sequence[Extra],
    ) -> None:
        """Write one frame of which one or several parts were explained.

        An output of images gets the rendered one once, with the first explanation; any other gets
        one after the other.

        Args:
            frame: As for `write`.
            rendered: The frame with all overlays.
            explanations: At least one.
            extras: One for each.

        Raises:
            SinkError: The output failed.
        """
        count = 1 if self.needs_rendered else len(explanations)
        for explanation, extra in zip(explanations[:count], extras, strict=False):
            self.write(frame, rendered, explanation, extra=extra)

    def begin_source(self, fps: float | None) -> None:
        """Learn that the next frame is the first of another source.

        Args:
            fps: Nominal rate of that source in frames per second; ``None`` where it is unknown.
        """
        del fps

    @abstractmethod
    def close(self) -> None:
        """Finalise the output. Idempotent.

        Raises:
            SinkError: The output could not be finalised; the message names what is left of it.
        """

    @property
    @abstractmethod
    def description(self) -> str:
        """Output and amount written, for the summary, e.g. ``out.mp4 (377 frames, 30.2 s)``."""

    @property
    def on_air(self) -> str:
        """Where the picture goes and who watches, in a few words; empty for files.

        It changes while the output is open, and may be asked for from any thread.
        """
        return ""

    @property
    def path(self) -> Path | None:
        """The file or folder that is written; ``None`` for standard output."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know (no sound, moved frames)."""
        return ()


@contextlib.contextmanager
def closing_sinks(sinks: Sequence[Sink]) -> Iterator[None]:
    """Close all of ``sinks`` at the end of the body, also those behind one that fails to close.

    Raises:
        SinkError: The first failure to close, unless the body's own exception is on its way.
    """
    try:
        yield
    except BaseException:
        _close_each(sinks)
        raise
    failures = _close_each(sinks)
    if failures:
        raise failures[0]


def _close_each(sinks: Sequence[Sink]) -> list[Exception]:
    failures: list[Exception] = []
    for sink in sinks:
        try:
            sink.close()
        except Exception as error:
            failures.append(error)
    return failures
