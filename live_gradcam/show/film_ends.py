"""Questions about films that lie on the disk: do they go on, and how far can they be played."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.native import av


def has_frames_after(path: Path, seconds: float) -> bool:
    """Return whether a film has images later than a time of its own clock."""
    with av.open(f"file:{path.absolute()}", metadata_errors="replace") as film:
        stream = film.streams.video[0]
        assert stream.time_base is not None, "video streams have a clock"
        film.seek(int(seconds / stream.time_base), stream=stream, backward=True)
        for packet in film.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            # Half a millisecond: containers round.
            if stamp is not None and float(stamp * stream.time_base) > seconds + 0.0005:
                return True
    return False


def count_playable(path: Path) -> tuple[int, float] | None:
    """Count the frames of a broken off recording, and the seconds that they span."""
    try:
        if not path.is_file() or not path.stat().st_size:
            return None
        with av.open(f"file:{path.absolute()}") as film:
            stream = film.streams.video[0]
            stamps = [p.pts * p.time_base for p in film.demux(stream) if p.pts is not None]
    except (av.error.FFmpegError, OSError, IndexError):
        return None
    return (len(stamps), float(max(stamps) - min(stamps))) if stamps else None
