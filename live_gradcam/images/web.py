"""Pictures from web servers: limited in size, time and redirections, and checked on the way."""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from live_gradcam.credentials import hide_secrets, login, parse_address
from live_gradcam.errors import SourceError
from live_gradcam.images.sniff import sniff_bytes

MAX_BYTES = 64 * 1024 * 1024
"""Pictures with more bytes are not fetched."""

MAX_SECONDS = 30.0
"""Time in which a picture has to be there."""

MAX_REDIRECTIONS = 5
"""Number of times that a server may send on to another address."""

_SILENCE_SECONDS = 10.0
_HEAD_BYTES = 4096
_CHUNK = 1 << 16
_WHAT = "cannot fetch picture"
_NO_SERVER = "the server sends on to something that is no web server"
_STEP = "Check the address, or give a file"


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows few redirections, and to web servers only."""

    max_redirections = MAX_REDIRECTIONS
    max_repeats = 2

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Make the request for where the server sends us."""
        if urlsplit(newurl).scheme.lower() not in ("http", "https"):
            fp.close()
            raise urllib.error.URLError(_NO_SERVER)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch_picture(address: str) -> bytes:
    """Return the image file at an address.

    User and password of the address are sent to its own server only, and are never shown.

    Args:
        address: ``http://`` or ``https://``.

    Raises:
        SourceError: The server does not answer in time or refuses, there is no picture, or it is
            larger than `MAX_BYTES`.
    """
    known = parse_address(address)
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    deadline = time.monotonic() + MAX_SECONDS

    def fetch() -> None:
        try:
            answers.put(_fetch(known.url, known.name, deadline))
        except Exception as exc:
            answers.put(exc)

    # Looking up a name can take longer than any timeout of a connection allows.
    threading.Thread(target=fetch, name="picture-fetch", daemon=True).start()
    try:
        answer = answers.get(timeout=MAX_SECONDS + 1.0)
    except queue.Empty:
        answer = TimeoutError()
    if isinstance(answer, SourceError):
        raise answer
    if isinstance(answer, Exception):
        cause = hide_secrets(_reason(answer), [address, known.url])
        raise SourceError(_WHAT, known.name, cause, _STEP) from None
    return answer


def _fetch(url: str, shown: str, deadline: float) -> bytes:
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    request = urllib.request.Request(bare, headers={"User-Agent": "live-gradcam", "Accept": "*/*"})
    if credentials := login(parts):
        # Not sent on to where the server sends us.
        request.add_unredirected_header("Authorization", credentials)
    opener = urllib.request.build_opener(_Redirections())
    with opener.open(request, timeout=_SILENCE_SECONDS) as answer:
        length = (answer.headers.get("Content-Length") or "").strip()
        if length.isdecimal() and int(length) > MAX_BYTES:
            raise _too_large(shown)
        data = bytearray()
        checked = False
        while chunk := answer.read1(_CHUNK):
            data += chunk
            if len(data) > MAX_BYTES:
                raise _too_large(shown)
            if not checked and len(data) >= _HEAD_BYTES:
                _check_content(bytes(data), shown)
                checked = True
            if time.monotonic() > deadline:
                raise TimeoutError
        _check_content(bytes(data[:_HEAD_BYTES]), shown)
    if length.isdecimal() and len(data) < int(length):
        raise http.client.IncompleteRead(bytes(data))
    return bytes(data)


def _check_content(head: bytes, shown: str) -> None:
    """Raise `SourceError` unless an image file begins like this."""
    verdict = sniff_bytes(head[:_HEAD_BYTES])
    if verdict.content == "image":
        return
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        cause, step = "there is a web page, not a picture", "Give the address of the picture itself"
    elif verdict.content == "video":
        cause, step = "there is a film, not a picture", "Open it with lg.open_source"
    else:
        cause = (verdict.description or "it is no picture").replace("the file", "what was sent")
        step = "Use JPEG, PNG, WebP, TIFF or BMP"
    raise SourceError(_WHAT, shown, cause, step)


def _too_large(shown: str) -> SourceError:
    return SourceError(_WHAT, shown, f"it is larger than {MAX_BYTES >> 20} MB", "Save it as a file")


def _reason(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        exc.close()  # it is the open answer, too
        if "infinite loop" in exc.msg:
            return f"the server sends on more than {MAX_REDIRECTIONS} times"
        if "not allowed" in exc.msg:
            return _NO_SERVER
        return f"the server answered {exc.code} {exc.msg}"
    if isinstance(exc, urllib.error.URLError):
        inner = exc.reason
        if isinstance(inner, ssl.SSLError):
            return f"the connection is not safe ({inner.reason or inner})"
        if isinstance(inner, TimeoutError):
            return _reason(inner)
        text = getattr(inner, "strerror", None) or str(inner)
        return text if text == _NO_SERVER else f"the server cannot be reached ({text})"
    if isinstance(exc, TimeoutError):
        return (
            f"the server took too long (more than {_SILENCE_SECONDS:.0f} s of silence, or "
            f"{MAX_SECONDS:.0f} s in all)"
        )
    if isinstance(exc, http.client.IncompleteRead):
        return f"the connection broke after {len(exc.partial)} bytes"
    return (isinstance(exc, OSError) and exc.strerror) or str(exc) or type(exc).__name__
