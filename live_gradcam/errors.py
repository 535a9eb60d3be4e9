"""Every error that live-gradcam raises on purpose, and the exit code each one ends with.

::

    LiveGradcamError          1   a bug of ours, or an unexpected condition
    ├── UsageError            2   the command line contradicts itself
    ├── SourceError           3   a source cannot be opened or read
    ├── SinkError             4   an output cannot be opened or written
    ├── ModelError            5   a network, its weights or its labels cannot be used
    └── DeviceError           6   a device or a display is missing or failed

Third-party errors are translated into these at the edge where they arise, with ``raise ... from``.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    BUG = 1
    USAGE = 2
    SOURCE = 3
    SINK = 4
    MODEL = 5
    DEVICE = 6
    SIGINT = 130
    SIGTERM = 143


class LiveGradcamError(Exception):
    """An error with a place, a cause and a way out.

    Rendered as ``<what>: <where>: <cause>. <next step>``; parts that are empty are left out.

    Args:
        what: What failed, e.g. ``cannot open video``.
        where: The path, address, option or class name concerned.
        cause: Why it failed, in the user's words.
        next_step: What the user can do about it, as a sentence without its final full stop.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, where: str = "", cause: str = "", next_step: str = "") -> None:
        self.what = what
        self.where = where
        self.cause = cause
        self.next_step = next_step
        super().__init__(what, where, cause, next_step)

    def __str__(self) -> str:
        parts = [part for part in (self.what, self.where, self.cause.rstrip(".")) if part]
        # One line, whatever a library put into its own message.
        text = " ".join(": ".join(parts).split())
        step = " ".join(self.next_step.rstrip(".").split())
        return f"{text}. {step}." if step else f"{text}."


def describe_bug(error: BaseException) -> str:
    """Return one line about an exception that nobody expected."""
    cause = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
    if isinstance(error, ImportError):
        return f"cannot load a library: {cause}. Install live-gradcam again, with all it needs."
    return f"internal error: {cause}. This is a bug: run again with --debug and report it."


class UsageError(LiveGradcamError):
    """The request contradicts itself or names something that does not exist."""

    exit_code = ExitCode.USAGE


class SourceError(LiveGradcamError):
    """A source cannot be opened, or ends with an error."""

    exit_code = ExitCode.SOURCE


class SinkError(LiveGradcamError):
    """An output cannot be opened, written or finalised."""

    exit_code = ExitCode.SINK


class ModelError(LiveGradcamError):
    """A network, its weights, its labels or a class name cannot be used."""

    exit_code = ExitCode.MODEL


class DeviceError(LiveGradcamError):
    """A compute device or a display is missing, or failed while working."""

    exit_code = ExitCode.DEVICE
