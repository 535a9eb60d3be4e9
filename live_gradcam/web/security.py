"""The guard of the page: every request passes here before Gradio sees it.

Gradio serves more than this page needs: proxies, monitoring, files by path, images by address.
Only the routes in the tables below remain; everything else is "not found".
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request

from live_gradcam.errors import UsageError
from live_gradcam.hosts import Hosts, is_loopback, parse_credentials
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.limits import Limits

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_FILE = "/gradio_api/file="
_UPLOAD = "/gradio_api/upload"
_NAME = r"[A-Za-z0-9_\-]+"

READS = re.compile(
    r"/(config/?|info|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout|login_check"
    r"|(assets|static|svelte)/.+)?"
    r"|/gradio_api/(info/?|user/?|app_id/?|token/?|login_check/?|startup-events|theme\.css"
    rf"|heartbeat/{_NAME}|queue/(data|status)|upload_progress|call/(v2/)?{_NAME}/{_NAME})"
    rf"|{_FILE}.+"
    r"|/live/.+"
)
"""Paths that may be read."""

WRITES = re.compile(
    rf"/login/?|{_UPLOAD}|/gradio_api/(queue/join|run/predict/?|cancel|reset/?|call/(v2/)?{_NAME}/?)|/live/.+"
)
"""Paths that may be posted to."""

_METHODS = {"GET": READS, "HEAD": READS, "OPTIONS": READS, "POST": WRITES, "DELETE": WRITES}
_UNSAFE = frozenset({"POST", "DELETE"})
_PARENTS = ("'self'", "https://huggingface.co", "https://*.hf.space")

# Gradio's own page needs inline scripts and styles and compiles templates; it is enough that
# nothing can be fetched from, or sent to, anywhere else.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


def parse_auth(text: str | None, *, host: str, share: bool) -> tuple[str, str] | None:
    """``USER:PASSWORD`` as a pair; required as soon as others can reach the page.

    Raises:
        UsageError: It has another form, or is missing where it is needed.
    """
    if text is not None:
        return parse_credentials(text)
    if share or not is_loopback(host):
        where = "--share" if share else f"--host {host}"
        cause = "others could use the page without a password"
        raise UsageError("refusing to open the page", where, cause, "Add --auth USER:PASSWORD")
    return None


class Refused(Exception):
    """A request that goes no further.

    Attributes:
        status: HTTP status.
        reason: One sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(status, reason)


class Guard:
    """ASGI middleware that lets through only requests that the page needs, of allowed sizes.

    Args:
        app: The application behind it.
        hosts: Names of the page.
        limits: Sizes of requests.
        cache: The only folder that files are served from and named in.
    """

    def __init__(self, app: Application, hosts: Hosts, limits: Limits, cache: CacheFolder) -> None:
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the page has none
            return
        answer = _Answer(send)
        try:
            receive = await self._checked(scope, receive)
            await self._app(scope, receive, answer)
        except Refused as refused:
            await answer.refuse(refused)
        if scope["path"] == _UPLOAD:
            self._cache.sweep()

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        method, path = str(scope["method"]), str(scope["path"])
        self._check_origin(method, headers)
        table = _METHODS.get(method)
        if table is None or not table.fullmatch(path):
            raise Refused(404, "not found")
        if path.startswith(_FILE):
            self._check_file(path)
        if method not in _UNSAFE:
            return receive
        return await self._checked_body(path, headers, receive)

    def _check_origin(self, method: str, headers: Mapping[str, str]) -> None:
        host, forwarded = headers.get("host", ""), headers.get("x-forwarded-host")
        if not all(self._hosts.allow(each) for each in (host, forwarded) if each is not None):
            raise Refused(403, "this is not the page's address")
        if method not in _UNSAFE:
            return
        origin = headers.get("origin")
        if origin is not None:
            mine = {part.lower() for part in (host, forwarded) if part}
            if urlsplit(origin).netloc.lower() not in mine:
                raise Refused(403, "requests from other pages are refused")
        elif headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "requests from other pages are refused")

    def _check_file(self, path: str) -> None:
        # Gradio would fetch an address, and serve more folders than this one.
        if not self._cache.holds(path.removeprefix(_FILE)):
            raise Refused(403, "no such file")

    async def _checked_body(
        self, path: str, headers: Mapping[str, str], receive: Receive
    ) -> Receive:
        is_upload = path == _UPLOAD or path.startswith("/live/")
        limit = self._limits.request_bytes if is_upload else self._limits.message_bytes
        try:
            announced = int(headers.get("content-length", "0"))
        except ValueError:
            raise Refused(400, "the length of the request is not a number") from None
        if announced > limit:
            raise Refused(413, f"the request is larger than {_readable(limit)}")
        counted = _counting(receive, limit)
        if is_upload:
            return counted
        body = await _read_all(counted)
        if "json" in headers.get("content-type", "").lower() or body.lstrip()[:1] in (b"{", b"["):
            self._check_paths(body)
        return _replay(body, receive)

    def _check_paths(self, body: bytes) -> None:
        """Files are named by the path that an upload returned, never by address or by guess."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400, "the request is not JSON") from None
        waiting = [content]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                path = item.get("path")
                if isinstance(path, str) and not self._cache.holds(path):
                    raise Refused(403, "no such file")
                waiting.extend(item.values())
            elif isinstance(item, list):
                waiting.extend(item)


class _Answer:
    """Sends the application's answer, with the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        if self._started:
            raise refused
        body = json.dumps({"detail": refused.reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": f"{_POLICY}; frame-ancestors {' '.join(_PARENTS)}",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }.items()
)


def _counting(receive: Receive, limit: int) -> Receive:
    """As ``receive``, but a body that grows beyond its announcement is refused."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise Refused(413, f"the request is larger than {_readable(limit)}")
        return message

    return counted


async def logged_in(request: Request) -> bool:
    """True if Gradio's own login lets this visitor in; without a password it always does."""
    transport = httpx.ASGITransport(app=request.app)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in ("host", "cookie", "x-forwarded-host", "x-forwarded-proto")
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        answer = await client.get("/gradio_api/login_check", headers=headers)
    return answer.status_code == httpx.codes.OK


async def _read_all(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _readable(size: int) -> str:
    return f"{size // (1024 * 1024)} MB"
