"""Addresses with passwords: understood as people write them, and shown without what is secret.

In an address as RFC 3986 has it, ``/``, ``?``, ``#``, ``@`` and others must be written as ``%2F``
and so on within a password. Cameras, their manuals and people do not. An address is therefore read
from its end: the server is what follows the last ``@`` that can be followed by a server, and what
stands before it is encoded for FFmpeg.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote

from live_gradcam.errors import SourceError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# With one slash, none, three, or the wrong ones, if nothing but an address begins like that.
_LOOSE = re.compile(
    r"(rtspu?|rtsps|rtspt|https?|rtmp[a-z]*|tcp|udp|ftps?|sftp|srt|rist|rtp|mmsh?|mmst?|wss?|onvif|"
    r"tls|hls|whep|webrtc):[/\\]*",
    re.IGNORECASE,
)
# A mistyped beginning, which is shown, but not opened.
_ANY_START = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*)?[:;.,]?[/\\]{1,4}")
_SERVER = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[^\s/?#@:\[\]\\<>\"^`{|}]*)(?::(?P<port>[^/?#]*))?"
    r"(?=[/?#]|$)"
)
_SECRET_KEY = re.compile(
    r"(?:^|(?<=[^A-Za-z0-9]))"
    r"(?:[a-z]*user(?:name|id)?|usr|login|account|pass\w*?|[a-z]*passw(?:or)?d|pw|pwd|psw|psk|"
    r"\w*?secret|\w*?token|\w*?key|auth\w*?|sig(?:nature)?|sign|cred\w*?|pin|code|hash|nonce|"
    r"session\w*?|sid|jwt|streamid)(?==|%3d)",
    re.IGNORECASE,
)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What may stand in a user's name or password as it is, and the sign of what is encoded.
_UNCHANGED = "%!$&'()*+,;="
_LISTENS = ("udp", "rtp", "tcp", "srt")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Address of a stream.

    Attributes:
        scheme: In small letters.
        url: As RFC 3986 has it, with the user's name and password; not for any screen.
        name: What may be shown: without user, password and query.
    """

    scheme: str
    url: str
    name: str


def scheme_of(text: str) -> str | None:
    """Return the scheme of an address, in small letters; ``None`` for paths and ``file://``."""
    found = _SCHEME.match(text)
    if found is None:
        found = _LOOSE.match(text)
        if found is None or Path(text).exists():
            return None
    scheme = found[1].lower()
    return None if scheme == "file" else scheme


def is_address(text: str) -> bool:
    """Return whether a text is an address and no file; ``file://`` is a file."""
    return scheme_of(text.strip()) is not None


def parse_address(text: str) -> Address:
    """Understand an address.

    Args:
        text: For which `is_address` is true.

    Raises:
        SourceError: It names no server, or a port that is none.
    """
    text = text.strip()
    found = _SCHEME.match(text) or _LOOSE.match(text)
    assert found is not None, "it is an address"
    scheme, rest = found[1].lower(), text[found.end() :].lstrip("/\\")
    user, server, tail = _split(rest)
    found = _SERVER.fullmatch(server)
    host = "" if found is None else found["host"]
    port = None if found is None else found["port"]
    if not host.isascii():
        server = server.replace(host, _looked_up(host), 1)
        found = _SERVER.fullmatch(server)
    if found is None or (not host and scheme not in _LISTENS):
        cause = "it names no server" if not host and "[" not in server else "its server is no name"
        raise _malformed(text, cause)
    if port is not None and not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise _malformed(text, "its port is not a number from 0 to 65535")
    if user is not None:
        server = f"{_encoded(user)}@{server}"
    tail = _encoded_tail(tail, scheme)
    return Address(scheme, f"{scheme}://{server}{tail}", printable(text))


def printable(text: str) -> str:
    """Return what of an address may be shown: no user, no password, no query.

    Args:
        text: An address in any spelling, or any other name of a source, which stays as it is.
    """
    start = _SCHEME.match(text) or _LOOSE.match(text) or _ANY_START.match(text)
    known = is_address(text) and start is not None
    if _DRIVE.match(text) or not (known or _has_login(text) or (start and _secret(text))):
        return text
    begin, rest = ("", text) if start is None else (start[0], text[start.end() :])
    if known and start is not None:
        begin, rest = f"{start[1].lower()}://", rest.lstrip("/\\")
    # Up to the last @, because any sign may be in a password.
    head, at, tail = rest.rpartition("@")
    if at and (_secret(head) or _secret(unquote(head))):  # what follows may belong to it
        return begin + _HIDDEN
    if at:
        rest = tail
        if re.search(r"[/?#]", head):  # a server and its path, perhaps, but perhaps not
            begin += f"{_HIDDEN}@"
    return begin + _public_tail(rest)


def login(parts: SplitResult) -> str:
    """Return the value of the header that logs in with the user of an address; else empty."""
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def hide_secrets(text: str, addresses: Sequence[str]) -> str:
    """Return a text of a library or of a traceback without the secrets of some addresses.

    Args:
        text: Which may quote the addresses, whole or in parts, encoded or not.
        addresses: As they were typed.
    """
    for address in addresses:
        shown = printable(address)
        if shown == address:
            continue
        forms = {address, repr(address)[1:-1]}
        if is_address(address):
            with contextlib.suppress(SourceError):
                forms.add(parse_address(address).url)
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, shown)
        for part in _secret_parts(address):
            text = text.replace(part, _HIDDEN)
    return text


def _split(rest: str) -> tuple[str | None, str, str]:
    """Return user and password, the server with its port, and what follows."""
    end = re.search(r"[/?#]", rest)
    authority = rest if end is None else rest[: end.start()]
    if "@" in authority:
        user, _, server = authority.rpartition("@")
        if _is_server(server):
            return user or None, server, rest[len(authority) :]
    elif _is_server(authority) and not _is_login(authority, rest):
        return None, authority, rest[len(authority) :]
    # The user or the password has signs that should have been encoded.
    for at in [found.start() for found in re.finditer("@", rest)][::-1]:
        found = _SERVER.match(rest, at + 1)
        if found is not None and found["host"] and _is_server(found[0]):
            return rest[:at], found[0], rest[found.end() :]
    user, at_sign, server = authority.rpartition("@")
    return (user or None) if at_sign else None, server, rest[len(authority) :]


def _is_login(authority: str, rest: str) -> bool:
    """Return whether ``admin:123`` before ``/4@192.0.2.1`` is a user with half a password."""
    host, colon, _ = authority.partition(":")
    found = _SERVER.match(rest, rest.rfind("@") + 1)
    server = found["host"] if found is not None and "@" in rest else ""
    far = "." in server or server.startswith("[") or server == "localhost"
    return bool(colon) and far and "." not in host and host not in ("", "localhost")


def _is_server(text: str) -> bool:
    found = _SERVER.fullmatch(text)
    return found is not None and (found["port"] is None or found["port"].isdecimal())


def _encoded(user: str) -> str:
    """Encode a user with a password; what is encoded already stays as it is."""
    name, colon, password = user.partition(":")
    parts = (quote(_PERCENT.sub("%25", each), safe=_UNCHANGED) for each in (name, password))
    return colon.join(parts) if colon else quote(_PERCENT.sub("%25", name), safe=_UNCHANGED)


def _encoded_tail(tail: str, scheme: str) -> str:
    # Web servers are asked in ASCII; a camera is told what was typed.
    pattern = r"[^!-~]" if scheme in ("http", "https") else r"[\x00-\x20\x7f]"
    return re.sub(pattern, lambda found: quote(found[0], errors="surrogatepass"), tail)


def _looked_up(host: str) -> str:
    """Return the name that is looked up for a server whose name has other letters than ASCII's."""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return "<"  # no name of a server


def _secret(text: str) -> bool:
    return _SECRET_KEY.search(text) is not None


def _has_login(text: str) -> bool:
    """Return whether a text has what looks like ``user:password@``."""
    head, at, _ = text.rpartition("@")
    return bool(at) and ":" in unquote(head)


def _public_tail(rest: str) -> str:
    """Return server and path, up to the first thing that may be secret."""
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    server, slash, path = rest.partition("/")
    if not _is_server(server):
        return _HIDDEN
    if not slash:
        return server
    key = _SECRET_KEY.search(path)
    if key is not None:
        return f"{server}/{path[: key.start()]}{_HIDDEN}"
    if _secret(unquote(path)):
        return f"{server}/{_HIDDEN}"
    segments = path.split("/")
    for position, segment in enumerate(segments):
        if ":" in unquote(segment):  # user:password as a part of the path
            return "/".join([server, *segments[:position], _HIDDEN])
    return f"{server}/{path}"


def _secret_parts(address: str) -> list[str]:
    """Return passwords and the values of secret keys in an address, in every encoding."""
    parts: set[str] = set()
    head, at, _ = address.rpartition("@")
    if at:
        begin = _SCHEME.match(head) or _LOOSE.match(head)
        user = head[begin.end() :] if begin is not None else head
        parts |= {user, user.partition(":")[2]}
    for key in _SECRET_KEY.finditer(address):
        value = address[key.end() :].lstrip("=:")
        parts |= {value, re.split(r"[&;_/?#]", value, maxsplit=1)[0]}
    parts |= {unquote(part) for part in parts} | {_encoded(part) for part in parts}
    return sorted((part for part in parts if len(part) > 2), key=len, reverse=True)


def _malformed(text: str, cause: str) -> SourceError:
    step = "Write it as rtsp://user:password@host:554/path"
    return SourceError("cannot open source", printable(text), cause, step)
