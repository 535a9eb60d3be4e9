"""Explainers of other layers and methods, made when somebody first asks for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.layers import at_layer, list_layers
from live_gradcam.explain.methods import METHODS, QUICK_METHODS, require_method
from live_gradcam.web.engine import Explains

MakeExplainer: TypeAlias = Callable[[Classifier, str], Explains]
"""Makes an explainer of a classifier with a method."""


class LayerShelf:
    """One classifier at each of its layers, with each method.

    Args:
        classifier: At its own layer.
        make: Makes an explainer.
        method: What the page's usual explainer makes maps with.
    """

    def __init__(
        self, classifier: Classifier, make: MakeExplainer, method: str = "gradcam"
    ) -> None:
        self.classifier = classifier
        self.method = method
        self.names = tuple(layer.name for layer in list_layers(classifier))
        # What takes many forwards would keep all the other visitors waiting.
        self.methods = tuple(name for name in METHODS if name in (*QUICK_METHODS, method))
        self._make = make
        self._classifiers: dict[str, Classifier] = {}
        self._explainers: dict[tuple[str, str], Explains] = {}
        self._lock = threading.Lock()

    def at(self, layer: str) -> Classifier:
        """The classifier at a layer; an empty name is its own.

        Raises:
            UsageError: There is no such layer.
        """
        if layer in ("", self.classifier.layer):
            return self.classifier
        if layer not in self.names:
            step = f"Choose from {', '.join(self.names)}"
            raise UsageError("unknown layer", layer, "", step)
        with self._lock:
            if layer not in self._classifiers:
                self._classifiers[layer] = at_layer(self.classifier, layer)
            return self._classifiers[layer]

    def explainer(self, layer: str, method: str = "") -> Explains | None:
        """The explainer of a layer with a method; empty names are the page's own.

        Returns:
            ``None`` where the page's usual explainer does it.

        Raises:
            UsageError: There is no such layer, or the page does not offer the method.
        """
        classifier, method = self.at(layer), self.require_method(method)
        if classifier is self.classifier and method == self.method:
            return None
        key = (classifier.layer, method)
        with self._lock:
            if key not in self._explainers:
                self._explainers[key] = self._make(classifier, method)
            return self._explainers[key]

    def is_cheap(self, layer: str, method: str = "") -> bool:
        """Whether maps of all classes cost next to nothing there.

        Raises:
            UsageError: There is no such layer, or the page does not offer the method.
        """
        head = self.at(layer).head
        return require_method(self.require_method(method), head).make_head(head).all_maps_are_cheap

    def require_method(self, method: str) -> str:
        """The method that a name means; an empty one is the page's own.

        Raises:
            UsageError: The page does not offer it.
        """
        if method in ("", *self.methods):
            return method or self.method
        step = f"Choose from {', '.join(self.methods)}"
        cause = "it is too slow for a page with many visitors" if method in METHODS else ""
        raise UsageError("no such method here" if cause else "unknown method", method, cause, step)
