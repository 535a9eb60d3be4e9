"""Which of a file's video streams is the film."""

from __future__ import annotations

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.native import av

_D = av.stream.Disposition
# Pictures that accompany a film, with or without time: covers, thumbnails.
_PICTURES = _D.attached_pic | _D.still_image | _D.timed_thumbnails
_COUNT_TAGS = ("NUMBER_OF_FRAMES", "NUMBER_OF_FRAMES-eng")


def choose_film(
    container: av.container.InputContainer, where: str, asked: int | None = None
) -> tuple[av.VideoStream, str]:
    """Choose the film: the stream marked as default, of those the largest, of those the first.

    Covers and thumbnails are never chosen unless asked for, streams of a single image and of
    unknown codecs only where there is nothing else.

    Args:
        container: The open file.
        where: The file's name for messages.
        asked: Number of a stream in the file, as ffprobe counts.

    Returns:
        The stream, and a sentence that names the others; empty where there are none.

    Raises:
        SourceError: There is no film.
        UsageError: There is no such video stream.
    """
    videos = list(container.streams.video)
    if asked is not None:
        chosen = next((stream for stream in videos if stream.index == asked), None)
        if chosen is None:
            listed = "; ".join(map(_describe, videos)) or "none"
            raise UsageError(
                "there is no such video stream", f"--stream {asked}", f"{where} has {listed}"
            )
        films = [chosen]
    else:
        films = [stream for stream in videos if not stream.disposition & _PICTURES]
    if not films:
        cause = "the file holds no moving picture"
        if container.streams.audio:
            cause = "the file holds sound only"
        raise SourceError("cannot open video", where, cause)
    film = max(films, key=_rank)
    if film.codec_context is None:
        raise SourceError("cannot open video", where, "its codec is not known to this FFmpeg")
    others = [stream for stream in films if stream is not film]
    if not others:
        return film, ""
    names = ", ".join(map(_describe, others))
    return film, (
        f"{where}: of {len(films)} video streams {_describe(film)} is taken; "
        f"--stream N takes another: {names}"
    )


def _rank(stream: av.VideoStream) -> tuple[bool, bool, bool, int, int]:
    context = stream.codec_context
    area = context.width * context.height if context is not None else 0
    return (
        context is not None,
        _frame_count(stream) != 1,
        bool(stream.disposition & _D.default),
        area,
        -stream.index,
    )


def _frame_count(stream: av.VideoStream) -> int:
    """Return the number of frames where it is stored, else 0."""
    if stream.frames:
        return stream.frames
    for tag in _COUNT_TAGS:
        if (text := str(stream.metadata.get(tag, ""))).isdecimal():
            return int(text)
    return 0


def _describe(stream: av.VideoStream) -> str:
    context = stream.codec_context
    if context is None:
        return f"{stream.index} (unknown codec)"
    marked = ", default" if stream.disposition & _D.default else ""
    return f"{stream.index} ({context.name} {context.width}x{context.height}{marked})"
