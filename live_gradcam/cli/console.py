"""Notices, progress and summaries for the person at the terminal, all of them on stderr.

Standard output belongs to results: lists that were asked for, and records with ``-o -``.
"""

from __future__ import annotations

import contextlib
import errno
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from typing_extensions import Self

from live_gradcam.errors import SinkError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PLAIN_EVERY_SECONDS = 2.0


class Console:
    """Terminal that a person reads.

    Args:
        quiet: Only errors are shown.
        stream: Where lines go; stderr by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self._stream = stream
        self._progress: ProgressLine | None = None

    @property
    def stream(self) -> TextIO:
        """Stream that lines are written to."""
        stream = self._stream or sys.stderr
        # A program may be started without a stderr; what it says is then lost, but not its work.
        return stream if stream is not None else io.StringIO()

    @property
    def is_terminal(self) -> bool:
        """True if a person watches."""
        return self.stream.isatty()

    def note(self, text: str) -> None:
        """Print one sentence that the user should know."""
        if not self.quiet:
            self._line(text)

    def error(self, text: str) -> None:
        """Print an error, even when quiet."""
        self._line(text)

    def out(self, text: str) -> None:
        """Print a result that was asked for, on stdout.

        Raises:
            SinkError: It cannot be written.
            BrokenPipeError: Nobody reads it any more.
        """
        try:
            if sys.stdout is None:
                raise OSError(errno.EBADF, "there is none")
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            cause = (exc.strerror or str(exc)).lower()
            raise SinkError("cannot write", "standard output", cause) from exc

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table as aligned plain text on stdout, that can be piped and pasted."""
        widths = [
            max(len(str(row[column])) for row in (headings, *rows))
            for column in range(len(headings))
        ]
        for row in (headings, ["-" * width for width in widths], *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.out("  ".join(cells).rstrip())

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a moving line while the body runs, where a person watches; it is gone afterwards."""
        if self.quiet or not self.is_terminal:
            yield
            return
        from rich.console import Console as RichConsole

        with RichConsole(file=self.stream).status(f"{text} ..."):
            yield

    def progress(self, title: str, *, unit: str = "frames") -> ProgressLine:
        """Return a progress display: enter it, then call `ProgressLine.update`."""
        self._progress = ProgressLine(self, title, unit=unit)
        return self._progress

    def show_forwards(self, done: int, total: int) -> None:
        """Show how many forwards of the present frames are done, where they take long."""
        if self._progress is not None:
            self._progress.show_forwards(done, total)

    def _line(self, text: str) -> None:
        if self._progress is not None and self._progress.print_above(text):
            return
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Write text as it is; it is lost where nobody can read it."""
        stream = self.stream
        with contextlib.suppress(OSError):
            stream.write(text)
            stream.flush()


class ProgressLine:
    """Bar on a terminal, plain line every two seconds elsewhere.

    Args:
        console: Where it shows.
        title: What is in progress.
        unit: What is counted.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        *,
        unit: str = "frames",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._title = title
        self._unit = unit
        self._clock = clock
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._console.quiet:
            return self
        if self._console.is_terminal:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TimeRemainingColumn(),
                console=RichConsole(file=self._console.stream),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, count="")
        self._next_line = self._clock() + _PLAIN_EVERY_SECONDS
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(
        self, done: int, total: int | None, per_second: float | None, *, note: str = ""
    ) -> None:
        """Show how many are done.

        Args:
            done: How many are finished.
            total: How many are expected, where known.
            per_second: Measured rate, where known.
            note: What else is to be said of it.
        """
        count = f"{done}/{total}" if total is not None else f"{done}"
        rate = f" {per_second:.1f}/s" if per_second is not None else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=done, total=total, count=f"{count} {self._unit}{rate}{note}"
            )
            return
        now = self._clock()
        if self._console.quiet or now < self._next_line:
            return
        self._next_line = now + _PLAIN_EVERY_SECONDS
        left = ""
        if total is not None and per_second:
            left = f", {max(total - done, 0) / per_second:.0f} s left"
        comma = "," if rate else ""
        self._console.write(f"{self._title}: {count} {self._unit}{comma}{rate}{left}{note}\n")

    def show_forwards(self, done: int, total: int) -> None:
        """Show how many forwards of the present frames are done, beside the finished frames."""
        words = f"{done}/{total} forwards"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"{self._title} ({words})")
            return
        now = self._clock()
        if not self._console.quiet and now >= self._next_line:
            self._next_line = now + _PLAIN_EVERY_SECONDS
            self._console.write(f"{self._title}: {words} for the present frames\n")

    def print_above(self, text: str) -> bool:
        """Print a line without tearing the bar; ``False`` where there is no bar."""
        if self._bar is None:
            return False
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        return True
