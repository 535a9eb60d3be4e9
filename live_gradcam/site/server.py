"""The folder on this machine alone, with the headers that threads need."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import zlib
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from live_gradcam.errors import UsageError
from live_gradcam.site.policy import MEDIA_TYPES, THREADS, content_policy
from live_gradcam.web.security import Hosts

_HOST = "127.0.0.1"
_INDEX = "index.html"
# A page keeps itself in the browser for its own address: each folder has one, and none is that of
# the servers that people usually start.
_PORTS = range(8100, 8900)
_TRIES = 100


@contextlib.contextmanager
def serving_site(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """Serve a folder on this machine while inside, to this machine only.

    Every answer has the headers that let the page use threads, and the page's content security
    policy. Nothing outside the folder is ever read, and folders are not listed.

    Args:
        folder: Of `live_gradcam.site.write_site`.
        port: Port to listen on; ``None`` takes the folder's own, see `usual_ports`, or the first
            free one after it.

    Yields:
        Its address.

    Raises:
        UsageError: Nothing can listen there.
    """
    server = _listen(folder.resolve(), port)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="site-server")
    thread.start()
    try:
        # Another program may listen at the machine's other address, which localhost means as well.
        yield f"http://{_HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def usual_ports(folder: Path) -> list[int]:
    """Return the ports that a folder is served at, the first free one of them: always the same."""
    own = zlib.crc32(os.fsencode(folder.resolve())) % len(_PORTS)
    return [_PORTS[(own + step) % len(_PORTS)] for step in range(_TRIES)]


def _listen(folder: Path, port: int | None) -> ThreadingHTTPServer:
    ports = usual_ports(folder) if port is None else [port]
    handler: Any = type("_FolderHandler", (_Handler,), {"folder": folder})
    problem: OSError | None = None
    for each in ports:
        try:
            return _Server((_HOST, each), handler)
        except OSError as exc:
            problem = exc
    cause = ((problem.strerror if problem else "") or str(problem)).lower()
    where = f"{_HOST}:{ports[0]}"
    raise UsageError("cannot serve the page", where, cause, "Choose another --port") from problem


class _Server(ThreadingHTTPServer):
    """A server whose threads end with it."""

    daemon_threads = True
    block_on_close = False
    # A port that another program listens on must be refused; Windows shares it if this is set.
    allow_reuse_address = os.name != "nt"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closes a connection is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    """Answers with files of one folder."""

    folder: Path
    timeout = 30
    server_version = "live-gradcam"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with a file's headers."""
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for people."""

    def _answer(self, *, body: bool) -> None:
        # Another site's name for this address would make the folder that site's own.
        if not Hosts(_HOST).allow(self.headers.get("Host") or ""):
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        try:
            found = self._file()
            file = None if found is None else found.open("rb")
        except OSError:
            file = None
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            changed = os.fstat(file.fileno())
            tag = f'"{changed.st_mtime_ns:x}-{changed.st_size:x}"'
            same = self.headers.get("If-None-Match") == tag
            self.send_response(HTTPStatus.NOT_MODIFIED if same else HTTPStatus.OK)
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(changed.st_mtime, usegmt=True))
            self.send_header("Cache-Control", "no-cache")
            if not same:
                self.send_header("Content-Type", media_type(file.name))
                self.send_header("Content-Length", str(changed.st_size))
            self._end_headers()
            if body and not same:
                shutil.copyfileobj(file, self.wfile)

    def _file(self) -> Path | None:
        """The file that is asked for, where it is one of the folder."""
        path = unquote(urlsplit(self.path).path)
        parts = [part for part in path.split("/") if part]
        if "\\" in path or "\0" in path or any(part.startswith(".") for part in parts):
            return None
        wanted = self.folder.joinpath(*parts)
        if path.endswith("/"):
            wanted = wanted / _INDEX
        wanted = wanted.resolve()
        return wanted if wanted.is_relative_to(self.folder) and wanted.is_file() else None

    def _refuse(self, status: HTTPStatus) -> None:
        said = f"{status.phrase}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(said)))
        self._end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _end_headers(self) -> None:
        for name, value in THREADS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", f"{content_policy()}; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()


def media_type(name: str) -> str:
    """Return the media type of a file, by its name."""
    return MEDIA_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
