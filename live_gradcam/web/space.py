"""The page as a public demonstration, for a Hugging Face Space or any container behind a proxy.

A Space is meant for everybody, so that this is the one door without a password; everything else
that guards the page stays. The place is read from the environment:

* ``GRADIO_SERVER_NAME``, ``GRADIO_SERVER_PORT``: where to listen; all addresses and 7860 if unset.
* ``SPACE_HOST``: the public host name, which the Space's proxy asks for.
* ``LIVE_GRADCAM_MODEL``: the network; the bundled one if unset.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from live_gradcam import lifecycle

_logger = logging.getLogger(__name__)
_WAIT_SECONDS = 0.5
# A small machine with many visitors: one of them teaches at a time, and not for long.
_SMALL: dict[str, Any] = {"lessons": 1, "lesson_seconds": 600.0}


def main() -> None:
    """Serve the page until a signal ends the process.

    Raises:
        LiveGradcamError: The network cannot be loaded, or nothing can listen there.
    """
    lifecycle.install_handlers()
    try:
        _serve(os.environ)
    except lifecycle.Interrupted as interrupted:
        lifecycle.end_process(interrupted.exit_code)


def _serve(settings: Mapping[str, str]) -> None:
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.load import load_classifier
    from live_gradcam.web.limits import Limits
    from live_gradcam.web.server import serving
    from live_gradcam.web.state import AppState

    classifier = load_classifier(settings.get("LIVE_GRADCAM_MODEL", "scenes"))
    with (
        Explainer(classifier) as explainer,
        AppState.open(classifier, explainer, limits=Limits(**_SMALL)) as state,
        lifecycle.cooperative() as stop,
    ):
        names = [name for name in (settings.get("SPACE_HOST"), ".hf.space") if name]
        with serving(
            state,
            host=settings.get("GRADIO_SERVER_NAME", "0.0.0.0"),
            port=int(settings.get("GRADIO_SERVER_PORT", "7860")),
            names=names,
        ) as address:
            _logger.warning("the page is at %s", address.local)
            while not stop.wait(_WAIT_SECONDS):
                pass
