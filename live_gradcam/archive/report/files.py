"""What became of the files of an archive: how many, how large, and which could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_STATUSES = ("ok", "partly", "failed")
_NUMBER = re.compile(r"\b\d+\b")
_EXAMPLES, _MOST_KINDS = 3, 200


@dataclass(slots=True)
class ErrorKind:
    """Errors that say the same of different files.

    Attributes:
        text: What they say, without the file.
        files: Number of files.
        examples: The first of them.
    """

    text: str
    files: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FileFigures:
    """The table of files in a few figures.

    Attributes:
        pictures: Number of pictures.
        films: Number of films.
        partly: Files that could not be explained to their end.
        failed: Files that could not be explained at all.
        frames: Rows that the files say they have.
        bytes: Size of all of them.
        seconds: Time that all of them took.
    """

    pictures: int = 0
    films: int = 0
    partly: int = 0
    failed: int = 0
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    _kinds: dict[str, ErrorKind] = field(default_factory=dict)
    # The worst of the pieces that a film may have; pictures have none.
    _films: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of files."""
        return self.pictures + self.films

    def add(self, files: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of the table in."""
        for each in files:
            self.frames += each["frames"] or 0
            self.seconds += each["seconds"] or 0.0
            status = _STATUSES.index(each["status"]) if each["status"] in _STATUSES else 2
            before = self._films.get(each["file"]) if each["kind"] == "film" else None
            if before is None:
                self.bytes += each["size"] or 0
            if each["kind"] == "film":
                self._films[each["file"]] = max(status, before or 0)
                self.films += before is None
            else:
                self.pictures += 1
            worse = status > (before or 0)
            self.partly += (worse and status == 1) - (worse and before == 1)
            self.failed += worse and status == 2
            if worse:
                self._note(each["file"], each["error"] or each["status"])

    def errors(self) -> Sequence[ErrorKind]:
        """Return the kinds of errors, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda each: (-each.files, each.text))

    def _note(self, file: str, error: str) -> None:
        text = error_kind(file, error)
        if text not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            text = "other errors"
        kind = self._kinds.setdefault(text, ErrorKind(text))
        kind.files += 1
        if len(kind.examples) < _EXAMPLES:
            kind.examples.append(file)


def error_kind(file: str, error: str) -> str:
    """Return what an error says, without the file that it says it of, and without numbers."""
    text = " ".join(error.split())
    for name in (file, file.replace("\\", "/").rpartition("/")[2]):
        if name:
            text = text.replace(f"{name}: ", "").replace(name, "\N{HORIZONTAL ELLIPSIS}")
    return _NUMBER.sub("#", text)
