"""The network that a command line names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import NetworkOptions

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier


def open_classifier(options: NetworkOptions, console: Console) -> Classifier:
    """Load the network that is meant; what was understood rather than plain is said.

    Raises:
        ModelError: It, its weights or its labels cannot be used, or it has no such layer.
        UsageError: One of several layers, or an index, is not in its list.
    """
    from live_gradcam.explain.load import load_classifier

    return load_classifier(
        options.model,
        weights=options.weights,
        labels=options.labels,
        layer=options.layer,
        fuse=options.fuse,
        on_notice=console.note,
    )


def warn_of_forwards(methods: Iterable[str], classifier: Classifier, console: Console) -> None:
    """Say which of the methods are slow, and why, before anybody waits for one."""
    from live_gradcam.explain.methods.table import require_method

    for method in map(require_method, methods):
        if method.kind == "network forwards":
            console.note(
                f"{method.title} runs the network once for every channel of {classifier.layer}"
            )
