"""The containers of recordings, and what their muxers and encoders are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_PIECE_SECONDS = 0.2
# Packets of one stream wait so long for the other's at most.
_INTERLEAVE_SECONDS = 0.5

# A fragmented file is readable while it grows, and is made an ordinary file when it is closed. The
# header waits for the first packets because only then it can say that sound begins before 0.
_MOV_FLAGS = "hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov"

_SHARED = {
    "flush_packets": "1",
    "max_interleave_delta": str(round(_INTERLEAVE_SECONDS * 1e6)),
}
_MOV_OPTIONS = {
    **_SHARED,
    "movflags": _MOV_FLAGS,
    "frag_duration": str(round(_PIECE_SECONDS * 1e6)),
}
_MATROSKA_OPTIONS = {
    **_SHARED,
    "cluster_time_limit": str(round(_PIECE_SECONDS * 1e3)),
    # Sound that begins before 0 moves nothing: the file says that it is not heard.
    "avoid_negative_ts": "disabled",
}

# At the same size ultrafast costs a third of veryfast and, above 45 dB, looks alike.
_H264_OPTIONS = {"preset": "ultrafast", "crf": "21", "forced-idr": "1", "bf": "0"}
_VP9_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "row-mt": "1",
    "crf": "30",
    "b": "0",
    "lag-in-frames": "0",
}


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """One kind of recording.

    Attributes:
        muxer: FFmpeg's name of the container.
        encoder: FFmpeg's name of the encoder of images.
        muxer_options: Options of the container.
        encoder_options: Options of the encoder.
    """

    muxer: str
    encoder: str
    muxer_options: Mapping[str, str]
    encoder_options: Mapping[str, str]


FORMATS: Mapping[str, FilmFormat] = {
    ".mp4": FilmFormat("mp4", "libx264", _MOV_OPTIONS, _H264_OPTIONS),
    ".mov": FilmFormat("mov", "libx264", _MOV_OPTIONS, _H264_OPTIONS),
    ".mkv": FilmFormat("matroska", "libx264", _MATROSKA_OPTIONS, _H264_OPTIONS),
    ".webm": FilmFormat("webm", "libvpx-vp9", _MATROSKA_OPTIONS, _VP9_OPTIONS),
}
"""File suffixes of recordings, and how they are made."""

_ANY_TIME_BASE = Fraction(1, 90_000)
# Of the clock that MP4 counts pauses in; FFmpeg's own has a millisecond.
_FINEST_CLOCK = 90_000


def ticks_for(original: Fraction | None) -> Fraction:
    """Return the source's own seconds per tick where a file can hold them."""
    if original is None or not 0 < original <= 1 or original.denominator >= 2**31:
        return _ANY_TIME_BASE
    return original


def muxer_options(form: FilmFormat, ticks: Fraction) -> dict[str, str]:
    """Return the options of a muxer for images that come at multiples of ``ticks`` seconds."""
    options = dict(form.muxer_options)
    if form.muxer in ("mp4", "mov"):
        # A beginning that is not 0 is a pause in the film's own clock, which must hold it.
        clock = ticks.denominator * max(1, _FINEST_CLOCK // ticks.denominator)
        options["movie_timescale"] = str(clock)
    return options
