"""Files from the network: in parts, never waiting for ever, and compared with their checksums."""

from __future__ import annotations

import hashlib
import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SILENCE_SECONDS = 9.0
"""Seconds without an answer after which a download is given up."""

_CHUNK = 1 << 18


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def why_failed(exc: Exception) -> str:
    """Say in a few words why a download failed."""
    if isinstance(exc, urllib.error.HTTPError):
        return f"the server answered {exc.code} {exc.reason}"
    if isinstance(exc, urllib.error.URLError):
        reason = exc.reason
        text = getattr(reason, "strerror", None) or str(reason)
        return f"the server cannot be reached ({text})"
    if isinstance(exc, TimeoutError):
        return f"the server said nothing for {SILENCE_SECONDS:.0f} s"
    if isinstance(exc, http.client.IncompleteRead):
        return f"interrupted after {len(exc.partial)} bytes"
    return (isinstance(exc, OSError) and exc.strerror) or str(exc) or type(exc).__name__


def receive(url: str) -> Iterator[tuple[bytes, int | None]]:
    """Yield chunks of a file with its full length, ``None`` where the server does not say it.

    A separate thread reads, because looking up a name can hang longer than any timeout allows.
    """
    chunks: queue.Queue[tuple[bytes, int | None] | Exception | None] = queue.Queue(maxsize=16)
    gone = threading.Event()

    def put(item: tuple[bytes, int | None] | Exception | None) -> None:
        while not gone.is_set():
            with suppress(queue.Full):
                chunks.put(item, timeout=0.2)
                return

    def read() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "live-gradcam"})
            with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer:
                length = answer.headers.get("Content-Length")
                total = int(length) if length else None
                while chunk := answer.read1(_CHUNK):
                    put((chunk, total))
                    if gone.is_set():
                        return
            put(None)
        except Exception as exc:
            if isinstance(exc, urllib.error.HTTPError):
                exc.close()  # it is the open answer, too
            put(exc)

    threading.Thread(target=read, name="download", daemon=True).start()
    try:
        while True:
            try:
                item = chunks.get(timeout=SILENCE_SECONDS + 0.5)
            except queue.Empty:
                raise TimeoutError from None
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        gone.set()
