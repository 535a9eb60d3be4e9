"""``live-gradcam web``: the page, until somebody ends it."""

from __future__ import annotations

import importlib.util
import socket
import sys
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from live_gradcam import lifecycle
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import open_classifier
from live_gradcam.cli.options import NetworkOptions
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.explainer import Explainer

_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """Everything the command line says about the page; the options' help says what it means."""

    host: str = "127.0.0.1"
    port: int | None = None
    auth: str | None = None
    share: bool = False
    network: NetworkOptions
    method: str = "gradcam"
    compile: Literal["auto", "on", "off"] = "auto"
    open_browser: bool = True


def execute(request: WebRequest, console: Console) -> None:
    """Serve the page.

    Raises:
        UsageError: Gradio is not installed, others could use the page without a password, or
            nothing can listen there.
        LiveGradcamError: The network cannot be loaded or run.
        Interrupted: A signal came; the page is closed.
    """
    require_gradio()
    from live_gradcam.web.security import parse_auth

    auth = parse_auth(request.auth, host=request.host, share=request.share)
    require_port(request.host, request.port)
    from live_gradcam.explain.methods import require_method  # loads torch

    require_method(request.method)
    classifier = open_classifier(request.network, console)
    with _explainer(request, classifier, console) as explainer:
        _serve(request, console, classifier, explainer, auth)


def require_gradio() -> None:
    """Refuse in one line where the page's libraries are not installed.

    Raises:
        UsageError: They are not.
    """
    if importlib.util.find_spec("gradio") is None:
        step = 'Install it with: pip install "live-gradcam[web]", in a clone pip install ".[web]"'
        raise UsageError("the page needs Gradio", "", "it is not installed", step)


def require_port(host: str, port: int | None) -> None:
    """Refuse a place where nothing can listen, before anything slow is loaded.

    Raises:
        UsageError: The address is not this machine's, or the port is taken or not permitted.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            # As the server does: what was closed a moment ago may be taken again.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
    except OSError as exc:
        where = host if port is None else f"{host}:{port}"
        cause = (exc.strerror or str(exc)).lower()
        step = "Choose another --host or --port"
        raise UsageError("cannot open the page", where, cause, step) from exc


def _explainer(request: WebRequest, classifier: Classifier, console: Console) -> Explainer:
    from live_gradcam.explain.explainer import Explainer

    return Explainer(
        classifier,
        device=request.network.device,
        precision=request.network.precision,
        compile=request.compile,
        method=request.method,
        on_notice=console.note,
    )


def _serve(
    request: WebRequest,
    console: Console,
    classifier: Classifier,
    explainer: Explainer,
    auth: tuple[str, str] | None,
) -> None:
    from live_gradcam.web.app import open_desks
    from live_gradcam.web.server import serving

    with (
        open_desks(classifier, explainer) as desks,
        lifecycle.cooperative() as stop,
        serving(
            desks, host=request.host, port=request.port, auth=auth, share=request.share
        ) as address,
    ):
        console.out(f"The page is at {address.local}")
        if address.shared is not None:
            console.out(f"For everybody who has the password: {address.shared}")
        elif request.share:
            console.note("no public address: the tunnel could not be opened")
        sys.stdout.flush()  # whoever started the page through a pipe waits for its address
        console.note("Ctrl-C ends it.")
        if request.open_browser and not open_browser(address.local):
            console.note("no browser was found to open it in")
        while not stop.wait(_WAIT_SECONDS):
            pass


def open_browser(address: str) -> bool:
    """Open the page in the user's browser where there is one with a window; whether it worked."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # A browser in the terminal would take the terminal over.
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
        browser, webbrowser.BackgroundBrowser
    ):
        return False
    return browser.open(address)
