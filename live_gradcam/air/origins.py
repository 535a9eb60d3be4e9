"""Which web pages may read what is served here; a page's origin is said by its browser."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from live_gradcam.errors import UsageError
from live_gradcam.hosts import host_name, is_loopback

ANONYMOUS = "null"
"""What browsers call the origin of pages that are files."""


class Origins:
    """Pages that may read pictures and records: our own, those of this machine, and named ones.

    Any page can make its visitor's browser ask here, with whatever password that has kept. What
    comes is the visitor's to see, and not the page's to read.

    Args:
        named: More origins, such as ``https://slides.example``.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(named)

    def allow(self, origin: str, host: str) -> bool:
        """True if pages of an origin may read.

        Args:
            origin: As the browser says it (RFC 6454); empty for what is no page of another server.
            host: What this server was asked for as, the ``Host`` header.
        """
        if not origin or origin.lower() in self._named:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        return parts.netloc.lower() == host.lower() or is_loopback(host_name(parts.netloc))

    def allow_referrer(self, address: str, host: str) -> bool:
        """True if the page at an address, the ``Referer`` header, is known and may read."""
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        return bool(address) and self.allow(f"{parts.scheme}://{parts.netloc}", host)


def parse_origin(text: str) -> str:
    """Read ``https://slides.example``, or ``null`` for pages that are files.

    Raises:
        UsageError: It is no origin.
    """
    origin = text.strip().lower().rstrip("/")
    if origin == ANONYMOUS:
        return origin
    step = "Write https://slides.example, with the port if it has one, or null for pages on disk"
    try:
        parts = urlsplit(origin)
        plain = parts.port is None or parts.port > 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--allow-origin is no origin", text, "", step)
    if origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise UsageError("--allow-origin is no origin", text, "it is more than one", step)
    return origin
