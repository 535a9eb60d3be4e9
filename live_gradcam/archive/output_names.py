"""Names of rendered films and pictures in a folder that mirrors their sources."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from live_gradcam.show.animation import ANIMATIONS
from live_gradcam.show.film_formats import FORMATS
from live_gradcam.show.images import ENCODER_OPTIONS


def free_output_name(name: str, kind: str, used: Collection[str]) -> str:
    """Name a file's output: as itself, unless that cannot be written or is another's.

    Args:
        name: Of the file among all, with ``/``; the result never leads out of the folder.
        kind: ``picture`` or ``film``.
        used: The names that are others', case-folded.
    """
    parts = (part for part in PurePosixPath(name).parts if part not in ("..", "/"))
    own = PurePosixPath(*parts)
    suffix = ".mp4" if kind == "film" else ".png"
    allowed = {*FORMATS, *ANIMATIONS} if kind == "film" else set(ENCODER_OPTIONS)
    wanted = own
    if own.suffix.lower() not in allowed:
        wanted = own.with_name(f"{own.stem}{suffix}")
    if str(wanted).casefold() in used:  # that of a file with another ending
        wanted = own.with_name(f"{own.name}{suffix}")
    number, free = 1, wanted
    while str(free).casefold() in used:
        number += 1
        free = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return str(free)
