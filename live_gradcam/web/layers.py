"""Explainers of other layers, made when somebody first asks for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.layers import at_layer, list_layers
from live_gradcam.web.engine import Explains


class LayerShelf:
    """One classifier at each of its layers.

    Args:
        classifier: At its own layer.
        make: Makes an explainer of a classifier.
    """

    def __init__(self, classifier: Classifier, make: Callable[[Classifier], Explains]) -> None:
        self.classifier = classifier
        self.names = tuple(layer.name for layer in list_layers(classifier))
        self._make = make
        self._others: dict[str, tuple[Classifier, Explains]] = {}
        self._lock = threading.Lock()

    def at(self, layer: str) -> Classifier:
        """The classifier at a layer; an empty name is its own.

        Raises:
            UsageError: There is no such layer.
        """
        if layer in ("", self.classifier.layer):
            return self.classifier
        return self._other(layer)[0]

    def explainer(self, layer: str) -> Explains | None:
        """The explainer of a layer; ``None`` where the page's usual one does it.

        Raises:
            UsageError: There is no such layer.
        """
        if layer in ("", self.classifier.layer):
            return None
        return self._other(layer)[1]

    def _other(self, layer: str) -> tuple[Classifier, Explains]:
        if layer not in self.names:
            step = f"Choose from {', '.join(self.names)}"
            raise UsageError("unknown layer", layer, "", step)
        with self._lock:
            if layer not in self._others:
                classifier = at_layer(self.classifier, layer)
                self._others[layer] = (classifier, self._make(classifier))
            return self._others[layer]
