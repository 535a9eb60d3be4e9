"""What became of the files of an archive: how many, how large, and which could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_STATUSES = ("ok", "partly", "failed")
_OK, _PARTLY, _FAILED = range(3)
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
        frames: Rows that the files say they have.
        bytes: Size of all of them.
        seconds: Time that all of them took.
    """

    pictures: int = 0
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    _kinds: dict[str, ErrorKind] = field(default_factory=dict)
    _pictures: list[int] = field(default_factory=lambda: [0, 0, 0])  # by status
    _films: dict[str, int] = field(default_factory=dict)  # statuses of each one's pieces, as bits

    @property
    def films(self) -> int:
        """Number of films."""
        return len(self._films)

    @property
    def count(self) -> int:
        """Number of files."""
        return self.pictures + self.films

    @property
    def failed(self) -> int:
        """Number of files of which nothing could be explained."""
        return self._pictures[_FAILED] + sum(each == 1 << _FAILED for each in self._films.values())

    @property
    def partly(self) -> int:
        """Number of files that could not be explained to their end, or some pieces of which not."""
        whole = (1 << _OK, 1 << _FAILED)
        return self._pictures[_PARTLY] + sum(each not in whole for each in self._films.values())

    def add(self, files: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of the table in."""
        for each in files:
            self.frames += each["frames"] or 0
            self.seconds += each["seconds"] or 0.0
            status = _STATUSES.index(each["status"]) if each["status"] in _STATUSES else _FAILED
            before = 0
            if each["kind"] == "film":
                before = self._films.get(each["file"], 0)
                self._films[each["file"]] = before | 1 << status
            else:
                self.pictures += 1
                self._pictures[status] += 1
            if not before:
                self.bytes += each["size"] or 0
            if status != _OK and not before & 1 << status:
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
