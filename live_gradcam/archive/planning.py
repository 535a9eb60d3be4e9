"""The plan of an archive: which parts there are, and what has to be done anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from live_gradcam.archive.dataset import Dataset
from live_gradcam.archive.output_names import free_output_name
from live_gradcam.archive.parts import ArchiveFile, Part, make_part
from live_gradcam.archive.remote import is_remote
from live_gradcam.capture.pieces import FrameRange, find_pieces

PICTURES_IN_A_PART = 128
"""Pictures that are committed together: so many are explained once more after a kill at most."""

PIECE_FRAMES = 7500
"""Frames of a piece of a long film: five minutes of most."""

PIECE_BYTES = 32 << 20
"""Films of fewer bytes stay whole."""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What a plan is changed by.

    Attributes:
        files: Files that are to be explained, new ones and those of parts that are replaced.
        replaced: Ids of parts of which a file has changed or is gone.
        changed: Number of files that have changed.
        gone: Number of files that are not there any more.
    """

    files: tuple[ArchiveFile, ...]
    replaced: tuple[str, ...]
    changed: int = 0
    gone: int = 0


def find_changes(dataset: Dataset, files: Sequence[ArchiveFile]) -> PlanChange:
    """Compare the plan with the files that there are.

    A file that is not among them, but still there, keeps its rows: what was explained stays.

    Args:
        dataset: Holds the plan.
        files: The files of the sources.
    """
    listed = {each.address: each for each in files}
    known: set[str] = set()
    left: dict[str, ArchiveFile] = {}
    replaced: list[str] = []
    changed: set[str] = set()
    gone: set[str] = set()
    for part in dataset.parts():
        for each in part.files:
            now = listed.get(each.address)
            if now is not None and _stamp(now) != _stamp(each):
                changed.add(each.address)
            elif now is None and _is_gone(each):
                gone.add(each.address)
        own = {each.address for each in part.files}
        if own & (changed | gone):
            replaced.append(part.id)
            left.update({each.address: each for each in part.files if each.address not in gone})
        else:
            known |= own
    left = {address: each for address, each in left.items() if address not in known}
    fresh = {each.address: each for each in files if each.address not in known}
    anew = {**{address: listed.get(address, each) for address, each in left.items()}, **fresh}
    return PlanChange(tuple(anew.values()), tuple(replaced), len(changed), len(gone))


def make_parts(
    files: Sequence[ArchiveFile],
    options_digest: str,
    used_outputs: Callable[[], set[str]] | None = None,
    *,
    piece_frames: int = PIECE_FRAMES,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[Part]:
    """Divide files into parts, in order.

    Args:
        files: The files.
        options_digest: Of the options.
        used_outputs: Returns the case-folded names in the folder of overlays that are others';
            ``None`` where there is no such folder. With one, films stay whole: so are those that
            are written.
        piece_frames: Long films are divided into pieces of so many frames or more, at key frames.
        piece_bytes: Files of fewer bytes are not looked into.
    """
    used = set() if used_outputs is None else used_outputs()

    def named(file: ArchiveFile) -> ArchiveFile:
        if used_outputs is None:
            return file
        output = free_output_name(file.name, file.kind, used)
        used.add(output.casefold())
        return replace(file, output=output)

    for kind, group in groupby(files, lambda file: file.kind):
        several = PICTURES_IN_A_PART if kind == "picture" else 1
        while some := tuple(map(named, islice(group, several))):
            pieces: Sequence[FrameRange] = ()
            size = some[0].size or 0
            if kind == "film" and used_outputs is None and size >= piece_bytes:
                pieces = (
                    ()
                    if is_remote(some[0].address)
                    else find_pieces(Path(some[0].address), piece_frames)
                )
            for piece in pieces or (None,):
                yield make_part(some, options_digest, piece)


def _stamp(file: ArchiveFile) -> tuple[int | None, int | None]:
    return file.size, file.modified_ns


def _is_gone(file: ArchiveFile) -> bool:
    if file.size is None or is_remote(file.address):
        return False
    try:
        return not Path(file.address).exists()
    except OSError:
        return False
