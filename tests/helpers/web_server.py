"""A web server of a folder, on loopback."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote


@contextmanager
def served(
    folder: Path, *, parts: bool = True, length: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """A web server of a folder; with parts of files and with their lengths, or without."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path = folder / unquote(self.path.partition("?")[0]).lstrip("/")
            if not path.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            data, start = path.read_bytes(), 0
            wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if parts and wanted:
                start = int(wanted[1])
                self.send_response(HTTPStatus.PARTIAL_CONTENT)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(HTTPStatus.OK)
            if length:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data[start:])

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
