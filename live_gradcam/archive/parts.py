"""Parts: the unit of work in an archive, some pictures, a film, or a piece of a long one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from live_gradcam.archive.files import FileKind
from live_gradcam.capture.pieces import FrameRange


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an archive, as it was when it was listed.

    Attributes:
        file: Its path or URI as it was listed; what rows call it, and unique among them.
        address: What is opened: an absolute path, or the URI.
        name: Its name relative to the folder that all sources share, with ``/``.
        kind: Pictures are explained once, films frame by frame.
        size: In bytes; ``None`` where it was not there.
        modified_ns: Time of its last change in nanoseconds since 1970, UTC; ``None`` where that is
            not known.
        output: Its name in the folder of overlays.
    """

    file: str
    address: str
    name: str
    kind: FileKind
    size: int | None = None
    modified_ns: int | None = None
    output: str = ""

    @property
    def folder(self) -> str:
        """What stands before the last ``/``; empty for a bare name."""
        return self.file.replace("\\", "/").rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Part:
    """What is explained, and committed, at once.

    Attributes:
        id: Digest of its files, their sizes and times, its range, and the options.
        files: Pictures, or the one film.
        range: Piece of the film; ``None`` for the whole.
    """

    id: str
    files: tuple[ArchiveFile, ...]
    range: FrameRange | None = None

    @property
    def is_film(self) -> bool:
        """True if it holds frames of a film."""
        return self.files[0].kind == "film"

    @property
    def file_count(self) -> int:
        """Number of its files; 0 of a later piece of a film, which its first one counts for."""
        return 0 if self.range is not None and self.range.first_frame else len(self.files)

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Part:
        """Read the line that `to_json` made.

        Raises:
            ValueError: It is no such line.
            KeyError: Something is missing in it.
            TypeError: It holds something else.
        """
        record: Mapping[str, Any] = json.loads(line)
        files = tuple(ArchiveFile(**each) for each in record["files"])
        found = record["range"]
        return cls(record["id"], files, None if found is None else FrameRange(**found))


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What came of a part.

    Attributes:
        id: Of the part.
        files: Number of its files; 0 of a later piece of a film, which its first one counts for.
        frames: Number of rows that it has.
        seconds: Time that it took.
        errors: File and message of each file that could not be explained, or not to its end.
    """

    id: str
    files: int
    frames: int
    seconds: float
    errors: tuple[tuple[str, str], ...] = ()


class Abandoned(Exception):
    """A part was given up because an end was asked for; nothing of it was committed."""


def make_part(
    files: tuple[ArchiveFile, ...], options_digest: str, piece: FrameRange | None = None
) -> Part:
    """Make a part with its id.

    Args:
        files: Pictures, or one film.
        options_digest: Of `live_gradcam.archive.options.options_digest`.
        piece: Piece of the film; ``None`` for the whole.
    """
    plain = [asdict(replace(each, output="")) for each in files]
    content = json.dumps([plain, options_digest, None if piece is None else asdict(piece)])
    digest = hashlib.sha256(content.encode("ascii", "backslashreplace")).hexdigest()
    return Part(digest[:20], files, piece)
