"""Signals and the end of the program, in one place.

Before frames flow, a signal ends the program by an exception. While frames flow it only sets a
`StopToken`, so that files are finalised undisturbed. Either way a watchdog ends the process soon
after, whatever hangs: recordings are written so that they stay playable even then. What is being
written may take longer, so that all outputs of a run end with the same frame.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from live_gradcam.errors import ExitCode, describe_bug

GRACE_SECONDS = 1.7
"""Seconds that an interrupted program has to end."""

FINALISE_SECONDS = 8.0
"""Seconds that one step of finalising files may take beyond that, on a slow disk or machine."""

_LONGEST_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class Interrupted(BaseException):
    """A signal asked the program to end while nothing needed to be finalised."""

    def __init__(self, exit_code: ExitCode) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


class StopToken:
    """Request to end, made by signal handlers or other threads and obeyed by the loops."""

    def __init__(self) -> None:
        # Not an event: its own lock may be held by the very code that a signal handler interrupts.
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._requested = False
        self._exit_code = ExitCode.OK
        self._patient_until = 0.0

    def be_patient(self, seconds: float = FINALISE_SECONDS) -> None:
        """Ask the watchdog to let one step of writing end: so long from now, 0 when it is done."""
        self._patient_until = time.monotonic() + seconds if seconds else 0.0

    @property
    def patient_until(self) -> float:
        """Monotonic time until which a step of writing may take."""
        return self._patient_until

    def request(self, exit_code: ExitCode = ExitCode.OK) -> None:
        """Request the end; the first exit code that is not `ExitCode.OK` stays."""
        if self._exit_code is ExitCode.OK:
            self._exit_code = exit_code
        self._requested = True
        with contextlib.suppress(RuntimeError):  # it stands open already
            self._gate.release()

    @property
    def requested(self) -> bool:
        """True once the end was requested."""
        return self._requested

    @property
    def exit_code(self) -> ExitCode:
        """`ExitCode.OK` for an ordinary end, else the signal's code."""
        return self._exit_code

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until the end is requested, at most so long; returns whether it was."""
        if self._gate.acquire(timeout=timeout_seconds):
            with contextlib.suppress(RuntimeError):  # another request came just now, and opened it
                self._gate.release()
        return self._requested


class _Signals:
    """State of the installed handlers, one in a process."""

    def __init__(self) -> None:
        self.token = StopToken()
        self.cooperative = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        code = ExitCode.SIGINT if number == signal.SIGINT else ExitCode.SIGTERM
        again = self.token.requested and self.token.exit_code is not ExitCode.OK
        if not again:
            # Of the low-level kind, which takes no lock that the interrupted code may hold.
            _thread.start_new_thread(_end_late, (code, self.token))
        self.token.request(code)
        if not again and not self.cooperative:
            raise Interrupted(code)


def _end_late(exit_code: ExitCode, token: StopToken) -> None:
    began = quiet = time.monotonic()
    while (now := time.monotonic()) < began + _LONGEST_SECONDS:
        if now < token.patient_until:
            quiet = now
        elif now >= quiet + GRACE_SECONDS:
            break
        time.sleep(_LOOK_SECONDS)
    # Nothing is flushed: what hangs may be just that.
    os._exit(exit_code)


_signals: _Signals | None = None


def install_handlers() -> StopToken:
    """Take over SIGINT and SIGTERM; returns the token that they set."""
    global _signals  # a process has one set of signal handlers
    _signals = _Signals()
    signal.signal(signal.SIGINT, _signals.handle)
    signal.signal(signal.SIGTERM, _signals.handle)
    if hasattr(signal, "SIGXFSZ"):
        # A full file then is an OSError that can be reported, not a death.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    return _signals.token


@contextlib.contextmanager
def cooperative() -> Iterator[StopToken]:
    """Let signals set the token, and raise nothing, while inside.

    Raises:
        Interrupted: On leaving, if a signal came; files are finalised by then.
    """
    if _signals is None:
        yield StopToken()
        return
    _signals.cooperative = True
    try:
        yield _signals.token
    finally:
        _signals.cooperative = False
    if _signals.token.exit_code is not ExitCode.OK:
        raise Interrupted(_signals.token.exit_code)


def interrupted_code() -> ExitCode | None:
    """Return the exit code of the signal that came, if one came.

    A library may turn the exception of a signal handler into one of its own; the code stays true.
    """
    if _signals is None or _signals.token.exit_code is ExitCode.OK:
        return None
    return _signals.token.exit_code


def end_process(exit_code: int) -> NoReturn:
    """End the process at once, flushing what was printed.

    Interpreter shutdown can hang or crash on native threads that still wait for a network.
    """
    if _signals is not None:
        _signals.cooperative = True  # it is too late to raise anything
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(exit_code)


def report_bug(error: BaseException, *, debug: bool) -> ExitCode:
    """Print an unexpected error in one line, or with a traceback; returns the exit code for it."""
    with contextlib.suppress(Exception):
        if debug:
            traceback.print_exception(error)
        sys.stderr.write(f"error: {describe_bug(error)}\n")
    return ExitCode.BUG


def silence_tracebacks() -> None:
    """Keep anything that is raised anywhere from printing a traceback by itself."""

    def end(_kind: type[BaseException], error: BaseException, _trace: object) -> NoReturn:
        code = interrupted_code()
        end_process(report_bug(error, debug=False) if code is None else code)

    def report(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and interrupted_code() is None:
            report_bug(failed.exc_value, debug=False)

    sys.excepthook = end
    threading.excepthook = report
    # Raised where nobody can catch it, by a destructor for instance: it changes nothing.
    sys.unraisablehook = lambda _failed: None
