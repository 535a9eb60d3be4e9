"""The page on the network: bound where it was asked for, guarded, closed cleanly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.middleware import Middleware

from live_gradcam.errors import UsageError
from live_gradcam.web.camera import camera_routes
from live_gradcam.web.downloads import download_routes
from live_gradcam.web.examples import make_examples
from live_gradcam.web.page import build_page, head, style, theme
from live_gradcam.web.security import Guard, Hosts
from live_gradcam.web.state import AppState


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the page is.

    Attributes:
        local: Its address on this machine.
        shared: Its address for everybody, where there is one.
    """

    local: str
    shared: str | None = None


@contextlib.contextmanager
def serving(
    desks: AppState,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    auth: tuple[str, str] | None = None,
    share: bool = False,
    names: Sequence[str] = (),
) -> Iterator[Address]:
    """Serve the page while inside.

    Args:
        desks: Who does the work; stays the caller's.
        host: What to bind to.
        port: Where to listen; ``None`` takes the first free one from 7860 on.
        auth: Name and password that visitors need.
        share: Open a tunnel through Gradio's servers.
        names: More host names under which the page may be asked for.

    Yields:
        Its addresses, once it answers.

    Raises:
        UsageError: Nothing can listen there.
    """
    examples = make_examples(desks.cache.path / "examples")
    page = build_page(desks, examples)
    # The examples and the copies that Gradio made of them belong to the page.
    for path in desks.cache.path.rglob("*"):
        desks.cache.keep(path)
    hosts = Hosts(host, [*names, *([".gradio.live"] if share else [])])
    try:
        _, local, shared = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            auth=auth,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            max_threads=2 * desks.limits.queue,
            max_file_size=desks.limits.file_bytes,
            state_session_capacity=64,
            strict_cors=True,
            allowed_paths=[],
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            num_workers=0,
            footer_links=["api"],
            theme=theme(),
            css=style(),
            head=head(),
            app_kwargs={
                "routes": [
                    *camera_routes(desks.cameras, desks.limits),
                    *download_routes(desks.pictures),
                ],
                "middleware": [
                    Middleware(Guard, hosts=hosts, limits=desks.limits, cache=desks.cache)
                ],
            },
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
        desks.cache.close()
        page.close(verbose=False)
