"""Is an address a film, which ends, or a stream, which goes on?

A film is what a web server sends with its length (``Content-Length``) and what begins like a film,
and a list of segments (HLS) that says it is complete (``#EXT-X-ENDLIST``). Everything else is a
stream: without a length, in parts (``multipart/x-mixed-replace``), a single picture, a list that
grows, and whatever is no HTTP.
"""

from __future__ import annotations

import http
import http.client
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import cast
from urllib.parse import urljoin, urlsplit, urlunsplit

from live_gradcam.credentials import login, parse_address
from live_gradcam.errors import SourceError
from live_gradcam.images.sniff import Sniffed, needs_seeking, sniff_bytes

_SECONDS = 5.0
_HEAD_BYTES = 4096
_MAX_LIST_BYTES = 4 * 1024 * 1024
_HLS = Sniffed("video", "hls")


@dataclass(frozen=True, slots=True)
class WebFilm:
    """A film on a web server.

    Attributes:
        kind: Of the film.
        whole: It has to be fetched as a whole before it can be read: its index lies at its end, and
            the server gives no parts of files.
    """

    kind: Sniffed
    whole: bool = False


def find_web_film(address: str) -> WebFilm | None:
    """Ask a web server what it has at an address.

    Returns:
        The film; ``None`` where it is a stream, or where the server does not answer, which whoever
        opens the stream will find out.
    """
    if urlsplit(address).scheme.lower() not in ("http", "https"):
        return None
    try:
        with ask(address) as answer:
            if answer.headers.get_content_maintype() == "multipart":
                return None
            head = answer.read(_HEAD_BYTES)
            if head.lstrip(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
                text = head + answer.read(_MAX_LIST_BYTES)
                return WebFilm(_HLS) if _list_is_complete(address, text) else None
            if not (answer.headers.get("Content-Length") or "").strip().isdecimal():
                return None
            gives_parts = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        kind = sniff_bytes(head)
    except (OSError, ValueError, http.client.HTTPException, SourceError):
        return None
    if kind.content != "video":
        return None
    return WebFilm(kind, whole=not gives_parts and needs_seeking(kind.format, head))


def _list_is_complete(address: str, text: bytes) -> bool:
    if b"#EXT-X-ENDLIST" in text:
        return True
    # A list of lists: one for each quality, alike in this.
    variant = re.search(rb"^#EXT-X-STREAM-INF[^\n]*\n\s*([^#\s]\S*)", text, re.MULTILINE)
    if variant is None:
        return False
    inner = urljoin(address, variant[1].decode("utf-8", "replace"))
    if urlsplit(inner).scheme.lower() not in ("http", "https"):
        return False
    with ask(parse_address(inner).url) as answer:
        return b"#EXT-X-ENDLIST" in answer.read(_MAX_LIST_BYTES)


def ask(address: str) -> http.client.HTTPResponse:
    """Ask for what is at an address, from its first byte on.

    Raises:
        OSError: The server does not answer, or says no.
    """
    parts = urlsplit(address)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    request = urllib.request.Request(bare, headers={"Range": "bytes=0-"})
    if credentials := login(parts):
        request.add_header("Authorization", credentials)
    # As FFmpeg, which reads the film: cameras at home sign their own certificates.
    trusting = ssl._create_unverified_context()
    answer = urllib.request.urlopen(request, timeout=_SECONDS, context=trusting)
    return cast("http.client.HTTPResponse", answer)
