"""``live-gradcam web``: the page, until somebody ends it."""

from __future__ import annotations

import importlib.util
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from live_gradcam import lifecycle
from live_gradcam.choices import (
    DEFAULT_COMPILE,
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_OUTPUT,
    MeasuringPreset,
    OutputChoice,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import (
    CompileOption,
    EngineOption,
    MethodOption,
    NetworkOptions,
    open_classifier,
    require_network,
)
from live_gradcam.cli.options import MODEL, option
from live_gradcam.cli.preset_option import WEB_PRESET
from live_gradcam.cli.staying import stay_until_stopped
from live_gradcam.errors import UsageError
from live_gradcam.wording import install_step

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.explainer import Explainer


@dataclass(frozen=True, slots=True, kw_only=True)
class WebArguments:
    """Everything that can be typed after ``live-gradcam web``."""

    host: Annotated[str, option("What to listen on; more than this machine needs --auth.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int | None,
        option("Where to listen.", min=1, max=65535, show_default="the first free one from 7860"),
    ] = None
    auth: Annotated[
        str | None,
        option(
            "Name and password that visitors need.",
            metavar="USER:PASSWORD",
            envvar="LIVE_GRADCAM_AUTH",
        ),
    ] = None
    share: Annotated[bool, option("A public address through Gradio; needs --auth.")] = False
    preset: Annotated[MeasuringPreset | None, WEB_PRESET] = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    output: Annotated[
        OutputChoice,
        option("What the network's output means.", "--output", "-o", panel=MODEL),
    ] = DEFAULT_OUTPUT
    method: MethodOption = DEFAULT_METHOD
    compile: CompileOption = DEFAULT_COMPILE
    engine: EngineOption = DEFAULT_ENGINE
    open_browser: Annotated[bool, option("Open the page in the browser.", "--open/--no-open")] = (
        True
    )


def web_command(arguments: WebArguments, console: Console) -> None:
    """Serve a page: upload a picture or a video, or switch the browser's camera on.

    Raises:
        UsageError: Gradio is not installed, others could use the page without a password, or
            nothing can listen there.
        LiveGradcamError: The network cannot be loaded or run.
        Interrupted: A signal came; the page is closed.
    """
    require_gradio()
    from live_gradcam.web.security import parse_auth

    require_network(arguments.network)
    auth = parse_auth(arguments.auth, host=arguments.host, share=arguments.share)
    require_port(arguments.host, arguments.port)
    from live_gradcam.explain.methods import require_method  # loads torch

    require_method(arguments.method)
    classifier = open_classifier(arguments.network, console, output=arguments.output)
    with _explainer(arguments, classifier, console) as explainer:
        _serve(arguments, console, classifier, explainer, auth)


def require_gradio() -> None:
    """Refuse in one line where the page's libraries are not installed.

    Raises:
        UsageError: They are not.
    """
    if importlib.util.find_spec("gradio") is None:
        step = install_step("web")
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


def _explainer(arguments: WebArguments, classifier: Classifier, console: Console) -> Explainer:
    from live_gradcam.explain.explainer import Explainer

    return Explainer(
        classifier,
        device=arguments.network.device,
        precision=arguments.network.precision,
        compile=arguments.compile,
        engine=arguments.engine,
        method=arguments.method,
        on_notice=console.note,
    )


def _serve(
    arguments: WebArguments,
    console: Console,
    classifier: Classifier,
    explainer: Explainer,
    auth: tuple[str, str] | None,
) -> None:
    from live_gradcam.web.server import serving
    from live_gradcam.web.state import AppState

    with (
        AppState.open(classifier, explainer) as state,
        lifecycle.cooperative() as stop,
        serving(
            state, host=arguments.host, port=arguments.port, auth=auth, share=arguments.share
        ) as address,
    ):
        console.out(f"The page is at {address.local}")
        if address.shared is not None:
            console.out(f"For everybody who has the password: {address.shared}")
        elif arguments.share:
            console.note("no public address: the tunnel could not be opened")
        stay_until_stopped(console, stop, address.local, in_browser=arguments.open_browser)
