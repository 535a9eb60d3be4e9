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

import re
from enum import IntEnum

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_ENDS = (".", "?", "!", _ELLIPSIS)
# What a part of a message neither begins nor ends with, as the next part brings its own.
_BETWEEN = " :;,"
# Marks that follow each other, and one behind a space.
_SEVERAL = re.compile(r"(?<=\S) *[.:;,?!](?: ?[.:;,?!])+(?=\s|$)")
_LOOSE = re.compile(r"(?<=\S) +(?=[.:;,?!](?:\s|$))")


def sentence(text: str) -> str:
    """Return a text as one line that ends with one full stop, or as it ends itself, with ``?``."""
    line = _one_line(text)
    return line if not line or line.endswith((*_ENDS, "...")) else f"{line}."


def _one_line(text: str) -> str:
    """Return a text in one line, without doubled marks, whatever a library put into its message."""
    line = re.sub(r"\.{3,}", _ELLIPSIS, " ".join(text.split()))
    line = _LOOSE.sub("", _SEVERAL.sub(_one_mark, line)).replace(f"{_ELLIPSIS}.", _ELLIPSIS)
    return line.strip(_BETWEEN).replace(_ELLIPSIS, "...")


def _one_mark(found: re.Match[str]) -> str:
    """Return the mark that says most of those that follow each other."""
    marks = found[0].replace(" ", "")
    return next((each for kind in ("?!", ":;,") for each in marks[::-1] if each in kind), ".")


def _part(text: str) -> str:
    """Return a part of a message without the full stop that the whole will have."""
    line = _one_line(text)
    return line if line.endswith("...") else line.removesuffix(".")


def _place(text: str) -> str:
    """Return a name as it is; in quotes where its end would look like the sentence's."""
    line = " ".join(text.split())
    misread = line.endswith((*_ENDS, *_BETWEEN)) and not line.endswith("...")
    return f"'{line}'" if misread else line


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
        # One line, whatever a library put into its own message.
        parts = (_part(self.what), _place(self.where), _part(self.cause))
        said = ": ".join(part for part in parts if part)
        return " ".join(sentence(each) for each in (said, self.next_step) if each.strip())


def describe_bug(error: BaseException) -> str:
    """Return one line about an exception that nobody expected."""
    cause = sentence(f"{type(error).__name__}: {error}")
    if isinstance(error, ImportError):
        return f"cannot load a library: {cause} Install live-gradcam again, with all it needs."
    return f"internal error: {cause} This is a bug: run again with --debug and report it."


def missing_torch(error: BaseException) -> ModelError | None:
    """Return the error for users where torch is not installed; ``None`` for any other one."""
    name = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if name.partition(".")[0] not in ("torch", "torchvision"):
        return None
    return ModelError(
        "this needs PyTorch",
        "",
        f"{name} is not installed",
        "Install it with: pip install torch torchvision. Without it, 'live-gradcam run' takes the "
        "files that 'live-gradcam export' makes",
    )


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
