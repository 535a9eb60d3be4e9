"""The page's parts put together for a network, in an environment made safe for Gradio."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.web.limits import Limits
    from live_gradcam.web.state import AppState

# What Gradio reads from the environment and nobody asked the page for.
_UNWANTED = ("GRADIO_ALLOWED_PATHS", "GRADIO_DEBUG", "GRADIO_NUM_WORKERS", "GRADIO_WATCH_DIRS")
_HERE = ("localhost", "127.0.0.1", "::1")


@contextlib.contextmanager
def open_desks(
    classifier: Classifier, explainer: Explainer, *, limits: Limits | None = None
) -> Iterator[AppState]:
    """Everything behind the page; closed, with all files deleted, on leaving.

    Args:
        classifier: What the page explains.
        explainer: Explains it; stays the caller's.
        limits: What visitors may ask for; the usual limits if ``None``.
    """
    from live_gradcam.explain.explainer import Explainer as MakeExplainer
    from live_gradcam.web.state import AppState

    runtime = explainer.runtime
    others: list[Explainer] = []

    def make(other: Classifier, method: str) -> Explainer:
        made = MakeExplainer(
            other,
            device=runtime.device,
            precision=runtime.precision,
            compile="off",  # a layer that somebody looks at once is not worth compiling
            top_k=explainer.top_k,
            method=method,
        )
        others.append(made)
        return made

    with AppState.open(
        classifier, explainer, make, method=explainer.method, limits=limits
    ) as desks:
        os.environ["GRADIO_TEMP_DIR"] = str(desks.cache.path)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        for name in _UNWANTED:
            os.environ.pop(name, None)
        # Gradio asks its own page whether it is there; a proxy could not answer that.
        for name in ("NO_PROXY", "no_proxy"):
            known = os.environ.get(name)
            os.environ[name] = ",".join([*([known] if known else []), *_HERE])
        try:
            yield desks
        finally:
            for made in others:
                made.close()
