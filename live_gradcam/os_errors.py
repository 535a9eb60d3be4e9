"""Translation of the operating system's errors to the user's words, from their numbers."""

from __future__ import annotations

import errno
from pathlib import Path

from live_gradcam.errors import SinkError
from live_gradcam.native import av

_CAUSES = {
    errno.ENOSPC: ("no space is left on the device", "Free some space or choose another place"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another place"),
    errno.EFBIG: ("the file would be larger than allowed", "Raise the limit or record less"),
    errno.EACCES: ("no permission to write", "Choose a place where you may write"),
    errno.EPERM: ("no permission to write", "Choose a place where you may write"),
    errno.EROFS: ("the file system is read-only", "Choose a place where you may write"),
    errno.ENOENT: ("the folder does not exist", "Create it or choose another place"),
    errno.ENOTDIR: ("a part of the path is not a folder", "Choose another place"),
    errno.EISDIR: ("it is a folder", "Choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name"),
    errno.ETXTBSY: ("the file is in use", "Choose another name"),
    errno.EPIPE: ("nobody reads it any more", ""),
    errno.EIO: ("the device reports an input/output error", "Choose another place"),
}

# What FFmpeg passes on from the system, where it writes itself.
_NUMBERS_OF_THE_SYSTEM = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])


def cannot_write(what: str, where: Path | str, exc: OSError | av.error.FFmpegError) -> SinkError:
    """Make the `SinkError` for an error of the operating system.

    Args:
        what: What failed, e.g. ``cannot write image``.
        where: The output.
        exc: What the system, or FFmpeg in its place, said.
    """
    if isinstance(exc, av.error.FFmpegError) and exc.errno not in _NUMBERS_OF_THE_SYSTEM:
        # A muxer borrows the system's numbers for what it does not like: -1 is "no permission".
        said = (exc.strerror or str(exc) or type(exc).__name__).lower()
        cause = f"FFmpeg cannot put this into such a file ({said})"
        return SinkError(what, str(where), cause, "Choose another kind of file, such as .mkv")
    known = _CAUSES.get(exc.errno) if exc.errno is not None else None
    cause, step = known or (exc.strerror or str(exc) or type(exc).__name__, "Choose another place")
    return SinkError(what, str(where), cause, step)
