"""The page on the network: bound where it was asked for, guarded, closed cleanly."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

from live_gradcam.errors import UsageError
from live_gradcam.hosts import Hosts, is_loopback
from live_gradcam.web.camera_routes import camera_routes
from live_gradcam.web.lesson_routes import lesson_routes
from live_gradcam.web.picture_routes import picture_routes
from live_gradcam.web.security import Guard
from live_gradcam.web.state import AppState

# Variables that Gradio reads and nobody set for the page.
_UNWANTED = ("GRADIO_ALLOWED_PATHS", "GRADIO_DEBUG", "GRADIO_NUM_WORKERS", "GRADIO_WATCH_DIRS")
_LOOK_SECONDS = 0.02
_HERE = ("localhost", "127.0.0.1", "::1")
# Nothing that this page does not need.
_LAUNCH: dict[str, Any] = {
    "inbrowser": False,
    "prevent_thread_lock": True,
    "quiet": True,
    "show_error": False,
    "state_session_capacity": 64,
    "strict_cors": True,
    "allowed_paths": [],
    "enable_monitoring": False,
    "ssr_mode": False,
    "pwa": False,
    "mcp_server": False,
    "run_history": False,
    "num_workers": 0,
    "footer_links": ["api"],
    # Gradio gives up where its page does not answer within 3 s, as on a busy machine.
    "_frontend": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Addresses of the page.

    Attributes:
        local: The one on this machine.
        shared: The one for everybody, where there is one.
    """

    local: str
    shared: str | None = None


@contextlib.contextmanager
def gradio_environment(folder: Path) -> Iterator[None]:
    """Set what Gradio takes from the environment alone; everything is restored on leaving.

    Args:
        folder: The only one that files are served from.
    """
    changes: dict[str, str | None] = {
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **dict.fromkeys(_UNWANTED),
    }
    # Gradio asks its own page whether it is there; a proxy could not answer that.
    for name in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(name)
        changes[name] = ",".join([*([known] if known else []), *_HERE])
    before = {name: os.environ.get(name) for name in changes}
    _set_environment(changes)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Let Gradio's server take its time: Gradio gives up after 5 s, as on a busy machine."""
    from gradio.exceptions import ServerFailedToStartError
    from gradio.http_server import Server

    impatient: Callable[[Server], None] = Server.run_in_thread

    def run_in_thread(server: Server) -> None:
        try:
            impatient(server)
        except ServerFailedToStartError:
            while not server.started:
                if not server.thread.is_alive():  # then it has really failed
                    raise
                time.sleep(_LOOK_SECONDS)

    Server.run_in_thread = run_in_thread  # type: ignore[method-assign]
    try:
        yield
    finally:
        Server.run_in_thread = impatient  # type: ignore[method-assign]


@contextlib.contextmanager
def serving(
    state: AppState,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    auth: tuple[str, str] | None = None,
    share: bool = False,
    names: Sequence[str] = (),
) -> Iterator[Address]:
    """Serve the page while inside.

    Args:
        state: Services that do the work; stays the caller's.
        host: Name or address to bind to.
        port: Port to listen on; ``None`` takes the first free one from 7860 on.
        auth: Name and password that visitors need.
        share: Open a tunnel through Gradio's servers.
        names: More host names under which the page may be asked for.

    Yields:
        Its addresses, once it answers.

    Raises:
        UsageError: Nothing can listen there.
    """
    hosts = Hosts(host, [*names, *([".gradio.live"] if share else [])])
    with gradio_environment(state.cache.path):
        # Gradio reads a part of its environment when it is imported.
        from live_gradcam.web.page import build_page, head, style, theme

        # Whoever serves a network to others has not given it away.
        whole_files = is_loopback(host) and not share and not names
        page = build_page(state, whole_files=whole_files)
        try:
            with _patient():
                _, local, shared = page.launch(
                    server_name=host,
                    server_port=port,
                    share=share,
                    auth=auth,
                    theme=theme(),
                    css=style(),
                    head=head(),
                    max_threads=2 * state.limits.queue,
                    max_file_size=state.limits.file_bytes,
                    app_kwargs={
                        "routes": [
                            *camera_routes(state.cameras, state.limits, state.lessons),
                            *lesson_routes(state.lessons, state.limits, whole_files=whole_files),
                            *picture_routes(state.images, state.limits),
                        ],
                        "middleware": [
                            Middleware(Guard, hosts=hosts, limits=state.limits, cache=state.cache)
                        ],
                    },
                    **_LAUNCH,
                )
        except OSError as exc:
            page.close(verbose=False)
            where = f"{host}:{port}" if port is not None else host
            cause = "nothing can listen there, perhaps another program does"
            raise UsageError("cannot open the page", where, cause, "Choose another --port") from exc
        try:
            yield Address(local=local, shared=shared)
        finally:
            # First what must not stay behind: an impatient end may cut the rest short.
            state.cache.close()
            page.close(verbose=False)
