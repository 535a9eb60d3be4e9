"""Pieces of a long film, from key frame to key frame, that are decoded independently.

All pieces together give every frame of the film once, with its own number and time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.capture.decoder import Decoder
from live_gradcam.capture.medium import FileMedium
from live_gradcam.errors import SourceError
from live_gradcam.images.sniff import sniff
from live_gradcam.native import av

# Containers that keep presentation times, and find a key frame by them.
_WITH_AN_INDEX = frozenset(["mov", "matroska"])


@dataclass(frozen=True, slots=True)
class FrameRange:
    """A piece of a film, from a key frame to before another one, in presentation order.

    Attributes:
        first_frame: Number of its first frame in the film.
        start: Tick of that frame, as the file has it.
        stop: Tick of the first frame behind it; ``None`` where the film ends first.
        origin: Tick at which the whole film begins.
        before: Tick of the frame before it; ``None`` where there is none.
    """

    first_frame: int
    start: int
    stop: int | None
    origin: int
    before: int | None


def find_pieces(path: Path, frames: int) -> tuple[FrameRange, ...]:
    """Divide a film at key frames; its packets are read for that, and nothing is decoded.

    Args:
        path: The film.
        frames: Number of frames that a piece has at least.

    Returns:
        The pieces in order; none where it is too short for two, or cannot be divided so that each
        frame is the same as in the whole: without key frames or times, or interlaced.
    """
    try:
        verdict = sniff(path)
        if verdict.content != "video" or verdict.format not in _WITH_AN_INDEX:
            return ()
        decoder = Decoder(FileMedium(path), verdict.format)
    except SourceError:
        return ()  # explaining it says what is wrong
    try:
        beginning = decoder.file_start
        ticks = None if decoder.looks_interlaced() else decoder.ticks()
        if not ticks:
            return ()
    except (av.error.FFmpegError, ValueError):
        return ()
    finally:
        decoder.close()
    order = sorted(ticks)
    starts = [0]
    for number, (_, is_key) in enumerate(order):
        if is_key and number - starts[-1] >= frames:
            starts.append(number)
    if len(starts) > 1 and len(order) - starts[-1] < frames // 2:
        starts.pop()
    if len(starts) < 2 or not order[0][1]:
        return ()
    origin = min(order[0][0], beginning)
    return tuple(
        FrameRange(
            first_frame=first,
            start=order[first][0],
            stop=order[behind][0] if behind is not None else None,
            origin=origin,
            before=order[first - 1][0] if first else None,
        )
        for first, behind in zip(starts, [*starts[1:], None], strict=True)
    )


def frames_of(piece: FrameRange, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield the frames of a piece, of those that are decoded from its key frame on."""
    for frame in frames:
        if frame.pts is None or frame.pts < piece.start:
            continue  # shown before the key frame that it stands behind
        if piece.stop is not None and frame.pts >= piece.stop:
            return
        yield frame
