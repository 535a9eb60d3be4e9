"""The server of the live picture: MJPEG, single pictures, records as events, and a small page."""

from __future__ import annotations

import base64
import contextlib
import hmac
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from live_gradcam.air import websocket
from live_gradcam.air.address import ServeAddress
from live_gradcam.air.connections import ConnectionServer
from live_gradcam.air.origins import Origins
from live_gradcam.air.pictures import Pictures
from live_gradcam.air.receiver import Receiver, Request
from live_gradcam.air.records_feed import RecordsFeed
from live_gradcam.errors import UsageError
from live_gradcam.hosts import Hosts, is_loopback
from live_gradcam.wording import install_step

_BOUNDARY = "live-gradcam"
_FILES = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
_STREAMS = ("/stream.mjpg", "/stream", "/video")
_SNAPSHOT_SECONDS = 10.0
_MOST_RECEIVERS = 100
_POLL_SECONDS = 0.5
_QUIET_SECONDS = 15.0
_GOODBYE_SECONDS = 1.0
_POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


class AirServer:
    """Serves the newest picture and the records, each receiver in a thread of its own.

    Args:
        address: What to listen on.
        auth: Name and password that are asked for; ``None`` asks for none.
        pictures: What is shown.
        feed: Records as JSON.
        origins: Whose pages may read them.
        places: Returns a line for each place that the picture goes to.

    Raises:
        UsageError: Nothing can listen there.
    """

    def __init__(
        self,
        address: ServeAddress,
        *,
        auth: tuple[str, str] | None,
        pictures: Pictures,
        feed: RecordsFeed,
        origins: Origins,
        places: Callable[[], Sequence[str]],
    ) -> None:
        self.pictures, self.feed, self.origins = pictures, feed, origins
        self._places = places
        self._followers = 0
        self.hosts = Hosts(address.host)
        self.secret = None if auth is None else _basic(auth)
        self._lock = threading.Lock()
        self._receivers = self._most = 0
        self._server = _listen(address, self)
        self._public = not is_loopback(address.host)
        self._host = address.host
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="air-server", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it is, for people; a name of this machine where others can reach it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_port}/"

    @property
    def public(self) -> bool:
        """True if other machines can reach it."""
        return self._public

    @property
    def receivers(self) -> int:
        """Number of receivers of the moving picture at present."""
        return self._receivers

    @property
    def most_receivers(self) -> int:
        """Largest number of receivers at one time so far."""
        return self._most

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Count somebody who follows the records."""
        with self._lock:
            self._followers += 1
        try:
            yield
        finally:
            with self._lock:
                self._followers -= 1

    def status(self) -> dict[str, Any]:
        """Say where the picture goes, and how many watch it and follow the records here."""
        return {
            "on_air": list(self._places()),
            "watching": self._receivers,
            "following": self._followers,
        }

    @contextlib.contextmanager
    def receiving(self) -> Iterator[bool]:
        """Count a receiver; gives ``False`` where there are too many already."""
        with self._lock:
            welcome = self._receivers < _MOST_RECEIVERS
            self._receivers += welcome
            self._most = max(self._most, self._receivers)
        try:
            yield welcome
        finally:
            with self._lock:
                self._receivers -= welcome

    def close(self) -> None:
        """Say goodbye to every receiver, and end. Idempotent."""
        self.pictures.end()
        self.feed.end()
        self._server.shutdown()
        self._server.end_connections(_GOODBYE_SECONDS)
        self._server.server_close()
        self._thread.join()


def _basic(auth: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()


def _listen(address: ServeAddress, air: AirServer) -> ConnectionServer:
    handler: Any = type("_AirHandler", (_Handler,), {"air": air})
    try:
        return ConnectionServer((address.host, address.port), handler)
    except (OSError, UnicodeError) as exc:
        cause = (getattr(exc, "strerror", None) or str(exc)).lower()
        where = f"http://{address.host}:{address.port}/"
        step = "Choose another port, or an address of this machine"
        raise UsageError("cannot serve the picture", where, cause, step) from exc


class _Handler(BaseHTTPRequestHandler):
    """Answers one receiver."""

    air: AirServer
    server_version = "live-gradcam"
    sys_version = ""

    def setup(self) -> None:
        """Take the connection as what it is: somebody's who may be slow, gone or hostile."""
        super().setup()
        self._receiver = Receiver(self.connection)
        self._request = Request(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._request)

    def do_GET(self) -> None:
        """Answer with a file, a picture, or a stream that goes on."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for people."""

    def _answer(self, *, body: bool) -> None:
        self._request.lift()
        path = urlsplit(self.path).path
        host, origin = self.headers.get("Host") or "", self.headers.get("Origin") or ""
        if websocket.is_asked_for(self.headers.get("Upgrade")):
            # Who speaks it, understands no older refusal.
            self.protocol_version, self.close_connection = "HTTP/1.1", True
        if not (self.air.hosts.allow(host) and self.air.origins.allow(origin, host)):
            self._say(HTTPStatus.FORBIDDEN, body=body)
        elif not self._known():
            self._say(HTTPStatus.UNAUTHORIZED, body=body)
        elif path in _FILES:
            name, kind = _FILES[path]
            content = resources.files("live_gradcam.air").joinpath(name).read_bytes()
            self._send(kind + "; charset=utf-8", content, body=body)
        elif path == "/snapshot.jpg":
            self._snapshot(body=body)
        elif path in _STREAMS:
            self._stream(body=body)
        elif path == "/events":
            with self.air.following():
                if body and websocket.is_asked_for(self.headers.get("Upgrade")):
                    self._websocket()
                else:
                    self._events(body=body)
        elif path == "/status.json":
            content = json.dumps(self.air.status()).encode()
            self._send("application/json", content, body=body)
        else:
            self._say(HTTPStatus.NOT_FOUND, body=body)

    def _known(self) -> bool:
        if self.air.secret is None:
            return True
        given = self.headers.get("Authorization") or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.air.secret.encode())

    def _snapshot(self, *, body: bool) -> None:
        found = self.air.pictures.after(0, _SNAPSHOT_SECONDS)
        if found is None:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, body=body)
        else:
            self._send("image/jpeg", found[1], body=body)

    def _stream(self, *, body: bool) -> None:
        with self.air.receiving() as welcome:
            if not welcome:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, body=body)
                return
            self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            if body:
                self._send_pictures()

    def _send_pictures(self) -> None:
        """Send the newest picture whenever it can be taken.

        The boundary follows each picture at once: browsers show a picture when they have read it,
        which must not be when the next one comes.
        """
        receiver, pictures = self._receiver, self.air.pictures
        receiver.send(f"--{_BOUNDARY}\r\n".encode())
        number, held_up = 0, 0.0
        while not pictures.ended:
            if not receiver.is_ready(_POLL_SECONDS):
                held_up += _POLL_SECONDS
                if held_up >= receiver.patience_seconds:
                    return
                continue
            held_up = 0.0
            found = pictures.after(number, _POLL_SECONDS)
            if found is None:
                if receiver.is_gone():
                    return
                continue
            number, picture = found
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            receiver.send(head.encode() + picture + f"\r\n--{_BOUNDARY}\r\n".encode())

    def _events(self, *, body: bool) -> None:
        """Records as server-sent events (WHATWG HTML, 9.2); one that returns misses nothing."""
        last = self.headers.get("Last-Event-ID") or ""
        feed = self.air.feed
        number = min(int(last), feed.last) if last.isascii() and last.isdecimal() else feed.last
        self._begin("text/event-stream; charset=utf-8")
        quiet = 0.0
        while body:
            ended = feed.ended  # asked first: what comes with the end is still sent
            found = feed.after(number, _POLL_SECONDS)
            if found:
                quiet, number = 0.0, found[-1][0]
                text = "".join(f"id: {each}\ndata: {record}\n\n" for each, record in found)
                self._receiver.send(text.encode())
            elif ended or self._receiver.is_gone():
                return
            else:
                quiet += _POLL_SECONDS
                if quiet >= _QUIET_SECONDS:  # proxies end connections on which nothing comes
                    quiet = 0.0
                    self._receiver.send(b": still here\n\n")

    def _websocket(self) -> None:
        """Records as messages; who returns begins with the newest."""
        speaking = websocket.load_protocol()
        if speaking is None:
            need = f"WebSockets need an optional package. {install_step('air')}"
            self._say(HTTPStatus.NOT_IMPLEMENTED, body=True, more=need)
            return
        request = f"{self.requestline}\r\n{self.headers.as_string()}".replace("\r\n", "\n")
        lines = request.rstrip("\n").replace("\n", "\r\n")
        websocket.send_records(
            self.connection, f"{lines}\r\n\r\n".encode("latin-1"), self.air.feed, speaking
        )

    def _begin(self, kind: str) -> None:
        """Answer with something that goes on until it is closed."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self._end_headers()

    def _send(self, kind: str, content: bytes, *, body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self._end_headers()
        if body:
            self._receiver.send(content)

    def _say(self, status: HTTPStatus, *, body: bool, more: str = "") -> None:
        said = f"{more or status.phrase}\n".encode()
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="live-gradcam", charset="UTF-8"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(said)))
        self._end_headers()
        if body:
            self._receiver.send(said)

    def _end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        host, origin = self.headers.get("Host") or "", self.headers.get("Origin") or ""
        if origin and self.air.origins.allow(origin, host):
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Vary", "Origin")
        # Pictures are shown without an origin being said; by whom, only the address before tells.
        known = self.air.origins.allow_referrer(self.headers.get("Referer") or "", host)
        self.send_header("Cross-Origin-Resource-Policy", "cross-origin" if known else "same-site")
        self.end_headers()
