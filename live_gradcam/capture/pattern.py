"""Numbered pictures, ``frame_%04d.png``: a film in pieces."""

from __future__ import annotations

import re
from pathlib import Path

_NUMBER = re.compile(r"%(0?)(\d*)d")


def is_numbered(text: str) -> bool:
    """Return whether a path's last part holds one place for a number, as FFmpeg writes it."""
    return len(_NUMBER.findall(Path(text).name)) == 1


def numbered_files(text: str) -> list[Path]:
    """List the files that a pattern stands for, by their numbers; gaps are stepped over.

    Args:
        text: A path whose last part holds ``%d``, ``%4d`` or ``%04d``.
    """
    pattern = Path(text).expanduser()
    place = _NUMBER.search(pattern.name)
    if place is None:
        return []
    width = int(place[2] or 0)
    # Padded numbers have as many digits as asked for, or more without a leading zero.
    digits = rf"(\d{{{width}}}|[1-9]\d{{{width},}})" if place[1] else r"(0|[1-9]\d*)"
    before, after = pattern.name[: place.start()], pattern.name[place.end() :]
    before, after = (part.replace("%%", "%") for part in (before, after))
    whole = re.compile(re.escape(before) + digits + re.escape(after))
    found = []
    for path in pattern.parent.iterdir():
        if (match := whole.fullmatch(path.name)) is not None and path.is_file():
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)]
