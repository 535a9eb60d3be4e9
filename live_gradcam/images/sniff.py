"""Detection of a file's kind from its first bytes, never from its name.

FFmpeg's own guessing also knows playlists and numbered patterns, which open other files and
addresses. A file is therefore opened only with the one container format that its content names
here, and a file that is none of these is refused with a sentence that says what it is.
"""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from live_gradcam.errors import SourceError

Content: TypeAlias = Literal["image", "video", "other"]

_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Kind of a file according to its first bytes.

    Attributes:
        content: The loader for the file; ``other`` where there is none.
        format: FFmpeg's demuxer for a video; Pillow's name for an image; else empty.
        description: The kind of the file for an error message, e.g. ``the file is empty``.
    """

    content: Content
    format: str = ""
    description: str = ""


# (offset, magic bytes, verdict); the first that matches wins.
_MAGIC: tuple[tuple[int, bytes, Sniffed], ...] = (
    (0, b"\xff\xd8\xff", Sniffed("image", "JPEG")),
    (0, b"\x89PNG\r\n\x1a\n", Sniffed("image", "PNG")),
    (0, b"GIF87a", Sniffed("image", "GIF")),
    (0, b"GIF89a", Sniffed("image", "GIF")),
    (0, b"II*\0", Sniffed("image", "TIFF")),
    (0, b"MM\0*", Sniffed("image", "TIFF")),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Sniffed("image", "JPEG2000")),
    (0, b"\xff\x4f\xff\x51", Sniffed("image", "JPEG2000")),
    (8, b"WEBP", Sniffed("image", "WEBP")),
    (0, b"\x1aE\xdf\xa3", Sniffed("video", "matroska")),
    (8, b"AVI ", Sniffed("video", "avi")),
    (0, b"FLV\x01", Sniffed("video", "flv")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Sniffed("video", "asf")),
    (0, b"OggS", Sniffed("video", "ogg")),
    (0, b"DKIF", Sniffed("video", "ivf")),
    (0, b"YUV4MPEG2 ", Sniffed("video", "yuv4mpegpipe")),
    (0, b"nut/multimedia container", Sniffed("video", "nut")),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Sniffed("video", "mxf")),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07", Sniffed("video", "wtv")),
    (0, b".RMF\0", Sniffed("video", "rm")),
    (0, b"BBCD", Sniffed("video", "dirac")),
    (0, b"DHAV", Sniffed("video", "dhav")),
    (0, b"NuppelVideo", Sniffed("video", "nuv")),
    (0, b"MythTVVideo", Sniffed("video", "nuv")),
    (8, b"AMV ", Sniffed("video", "amv")),
    (0, b"\x00\x00\x00\x00\x01\xbc", Sniffed("video", "gxf")),
    (0, b"\x12\x00\x0a", Sniffed("video", "obu")),
    (0, b"\0\0\x01\xb0", Sniffed("video", "m4v")),
    (0, b"\0\0\x01\0", Sniffed("video", "m4v")),
    (0, b"\0\0\x01\xba", Sniffed("video", "mpeg")),
    (0, b"\0\0\x01\xb3", Sniffed("video", "mpegvideo")),
    (8, b"WAVE", Sniffed("other", "", "the file holds sound only")),
    (0, b"fLaC", Sniffed("other", "", "the file holds sound only")),
    (0, b"ID3", Sniffed("other", "", "the file holds sound only")),
    (0, b"\xff\xfb", Sniffed("other", "", "the file holds sound only")),
    (0, b"\xff\xf1", Sniffed("other", "", "the file holds sound only")),
    (0, b"%PDF-", Sniffed("other", "", "the file is a PDF document")),
    (0, b"PK\x03\x04", Sniffed("other", "", "the file is a ZIP archive")),
    (0, b"\x1f\x8b", Sniffed("other", "", "the file is a gzip archive")),
)

# The four characters behind the length of an ISO base media file's first box.
_ISO_BOXES = frozenset(
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"]
)
_ISO_IMAGE_BRANDS = {
    b"avif": Sniffed("image", "AVIF"),
    b"avis": Sniffed("image", "AVIF"),
    b"heic": Sniffed("other", "", "HEIC pictures are not supported"),
    b"heix": Sniffed("other", "", "HEIC pictures are not supported"),
    b"hevc": Sniffed("other", "", "HEIC pictures are not supported"),
    b"mif1": Sniffed("other", "", "HEIF pictures are not supported"),
    b"msf1": Sniffed("other", "", "HEIF pictures are not supported"),
}
# First NAL unit of raw H.264 and H.265: parameters, delimiters, remarks.
_H264_START = frozenset([0x67, 0x27, 0x47, 0x09, 0x06])
_H265_START = frozenset([0x40, 0x42, 0x44, 0x46])
# The type of a DV film's second block, of subcode, in its upper bits.
_DV_SUBCODES = frozenset(bytes([value]) for value in range(0x20, 0x40))
# So many packets in a row that fit by chance are one in 2^64.
_MIN_SYNCS = 8
_READ_TO_AND_FRO = frozenset(["wtv", "mxf"])
_TEXT_CONTROL = frozenset(b"\t\n\r\f\x1b")
_PLAYLISTS = (b"#extm3u", b"ffconcat", b"[playlist]", b"<asx", b"<smil", b"<mpd", b"[reference]")


def sniff(path: Path) -> Sniffed:
    """Detect the kind of a regular file.

    Raises:
        SourceError: The file is missing, is not a regular file, or cannot be read.
    """
    return sniff_bytes(read_head(path), path.suffix)


def read_head(path: Path) -> bytes:
    """Read the first bytes of a regular file.

    Raises:
        SourceError: The file is missing, is not a regular file, or cannot be read.
    """
    try:
        # A named pipe without a writer would block in open() for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("cannot open", str(path), "it is not a regular file")
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except (OSError, ValueError) as exc:
        raise cannot_open(path, exc) from exc


def cannot_open(path: Path, exc: OSError | ValueError) -> SourceError:
    """Make the error for what the operating system said about a file that cannot be read."""
    if isinstance(exc, FileNotFoundError):
        return SourceError(
            "cannot open", str(path), "there is no such file", "Check the path for typing errors"
        )
    if isinstance(exc, PermissionError):
        return SourceError("cannot open", str(path), "reading it is not permitted")
    cause = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return SourceError("cannot open", str(path), cause.lower())


def sniff_bytes(head: bytes, suffix: str = "") -> Sniffed:
    """Detect the kind of a file from its first 4 KB.

    Args:
        head: The beginning of the file; at least 600 bytes where it has them.
        suffix: The file's extension, used only to tell a film of JPEGs from one JPEG.
    """
    if not head:
        return Sniffed("other", "", "the file is empty")
    if suffix.lower() in (".mjpeg", ".mjpg") and head.startswith(b"\xff\xd8\xff"):
        return Sniffed("video", "mjpeg")
    for offset, magic, verdict in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return verdict
    return _sniff_structure(head) or _sniff_text(head)


def _sniff_structure(head: bytes) -> Sniffed | None:
    if head[4:8] in _ISO_BOXES:
        return _sniff_iso(head)
    if head[:3] == b"\x1f\x07\x00" and head[80:81] in _DV_SUBCODES:
        return Sniffed("video", "dv")
    if _is_transport_stream(head):
        return Sniffed("video", "mpegts")
    for start in (b"\0\0\0\x01", b"\0\0\x01"):
        if head.startswith(start) and len(head) > len(start):
            first = head[len(start)]
            if first in _H264_START:
                return Sniffed("video", "h264")
            if first in _H265_START:
                return Sniffed("video", "hevc")
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return Sniffed("image", "BMP")
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return Sniffed("image", "PPM")
    if not any(head):
        return Sniffed("other", "", "the file holds nothing but zeros")
    return None


def _sniff_iso(head: bytes) -> Sniffed:
    if head[4:8] == b"ftyp":
        size = int.from_bytes(head[:4], "big")
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, 256), 4))]
        # A film may name image brands among its compatible ones; its major brand decides.
        if brands[0] in _ISO_IMAGE_BRANDS:
            if b"avif" in brands:
                return _ISO_IMAGE_BRANDS[b"avif"]
            return _ISO_IMAGE_BRANDS[brands[0]]
    return Sniffed("video", "mov")


def _is_transport_stream(head: bytes) -> bool:
    # 188-byte packets that begin with 0x47; M2TS puts four bytes of time in front of each, others
    # sixteen of check sums behind it.
    for stride, first in ((188, 0), (192, 4), (204, 0)):
        syncs = range(first, min(len(head), first + 4 * stride), stride)
        if len(syncs) >= 2 and all(head[at] == 0x47 for at in syncs):
            return True
    # A recording that was begun in the middle of a packet.
    return any(
        all(head[at] == 0x47 for at in range(first, len(head), stride))
        for stride in (188, 192)
        for first in range(stride)
        if len(head) >= _MIN_SYNCS * stride
    )


def _sniff_text(head: bytes) -> Sniffed:
    if head.startswith(b"version https://git-lfs"):
        return Sniffed("other", "", "the file is a Git LFS pointer, not the media file itself")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PLAYLISTS):
        return Sniffed("other", "", "the file is a playlist, and playlists are never followed")
    if start.startswith((b"<!doctype html", b"<html")):
        return Sniffed("other", "", "the file is a web page, not a picture or a video")
    if is_text(head):
        return Sniffed("other", "", "the file is text, not a picture or a video")
    return Sniffed("other", "", "the file is neither a picture nor a video of a known format")


def is_text(head: bytes) -> bool:
    """Return whether the beginning of a file is UTF-8 text without control characters."""
    if any(byte < 0x20 and byte not in _TEXT_CONTROL for byte in head):
        return False
    try:
        # Incremental, because the last character may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def needs_seeking(format_name: str, head: bytes) -> bool:
    """Return whether a film cannot be read from beginning to end.

    Args:
        format_name: FFmpeg's demuxer.
        head: The beginning of the film.
    """
    if format_name == "mov":
        return not _index_first(head)
    return format_name in _READ_TO_AND_FRO


def _index_first(head: bytes) -> bool:
    """Return whether an ISO base media file's index or first fragment precedes its data."""
    at = 0
    while at + 8 <= len(head):
        kind = head[at + 4 : at + 8]
        if kind in (b"moov", b"moof", b"sidx", b"styp"):
            return True
        size = int.from_bytes(head[at : at + 4], "big")
        if kind == b"mdat" or size < 8:
            return False
        at += size
    return False


def unfinished_iso(path: Path) -> str:
    """Find out from its top-level boxes why an ISO base media file (MP4, MOV) cannot be read.

    Returns:
        A cause, or an empty string where all boxes are there.
    """
    size = os.stat(path).st_size  # noqa: PTH116 - one call, no second meaning
    boxes: set[bytes] = set()
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size and len(boxes) < 64:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            boxes.add(header[4:8])
            if length == 0:
                break
            if length < 8:
                return "the file is damaged"
            at += length
    if b"moov" not in boxes:
        return "the file is truncated: its index (moov) is missing, recording was not finished"
    if at > size:
        return "the file is truncated"
    return ""
