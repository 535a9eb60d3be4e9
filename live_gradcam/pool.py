"""Explainers of one classifier at its layers, with its methods, each made once and shared."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from live_gradcam.choices import VIEWS, View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.layers import at_layer, list_layers
from live_gradcam.explain.methods import METHOD_FACTS, OnForwards, require_method
from live_gradcam.faithfulness.randomize import randomize_weights
from live_gradcam.protocol import BatchExplainer, ExplainerKey, MethodFacts

E = TypeVar("E", bound=BatchExplainer, covariant=True)


class ExplainerPool(Closeable, Generic[E]):
    """Makes explainers when they are first asked for. Safe to use from many threads.

    Making one traces the network, during which no other thread may run it: call `get` for something
    new from the thread that explains, and `find` from any other.

    Args:
        classifier: At its own layer.
        make: Makes an explainer of a classifier with a method, named as in the table of methods.
        given: An explainer that exists already; it stays its owner's and is never closed here.
        given_method: The method of the given explainer, and what an empty name means.
        keep: How many are kept at most; the one that was not used for longest is closed first.
    """

    def __init__(
        self,
        classifier: Classifier,
        make: Callable[[Classifier, str], E],
        *,
        given: E | None = None,
        given_method: str = "gradcam",
        keep: int | None = None,
    ) -> None:
        self.classifier = classifier
        self.method = require_method(given_method).name
        self._make = make
        self._given = given
        self._keep = keep
        self._making = threading.RLock()
        self._lock = threading.Lock()
        self._layer_names: tuple[str, ...] | None = None
        self._classifiers: dict[str, Classifier] = {}
        self._made: OrderedDict[ExplainerKey, E] = OrderedDict()

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The methods that there are."""
        return METHOD_FACTS

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network can be given."""
        return VIEWS

    @property
    def fixed(self) -> str:
        """Nothing: layer, method and weights can be chosen."""
        return ""

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """Nothing: every class has a map."""
        return None

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers that can be explained, from early to late. Traces the network once.

        A network that cannot be traced is explained where it was cut, only.
        """
        with self._making:
            if self._layer_names is None:
                try:
                    found = tuple(layer.name for layer in list_layers(self.classifier))
                except Exception:  # tracing runs code of strangers
                    found = (self.classifier.layer,)
                self._layer_names = found
            return self._layer_names

    def key(self, layer: str = "", method: str = "", *, randomized: bool = False) -> ExplainerKey:
        """The key with the pool's own layer and method in place of empty names."""
        return ExplainerKey(layer or self.classifier.layer, method or self.method, randomized)

    def at(self, layer: str = "") -> Classifier:
        """The classifier at a layer; an empty name is its own.

        Raises:
            UsageError: There is no such layer.
        """
        if layer in ("", self.classifier.layer):
            return self.classifier
        if layer not in self.layer_names:
            step = f"Choose from {', '.join(self.layer_names)}"
            raise UsageError("unknown layer", layer, "", step)
        with self._making:
            if layer not in self._classifiers:
                self._classifiers[layer] = at_layer(self.classifier, layer)
            return self._classifiers[layer]

    def find(self, key: ExplainerKey) -> E | None:
        """Return the explainer of a key if it is there already; never waits for one being made."""
        if self._given is not None and key == self.key():
            return self._given
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
            return self._made.get(key)

    def get(self, key: ExplainerKey) -> E:
        """The explainer of a key, made if need be.

        Raises:
            UsageError: There is no such layer or method, or it does not fit the layer.
            DeviceError: The device cannot be used.
        """
        with self._making:
            found = self.find(key)
            if found is not None:
                return found
            if key.randomized:
                classifier = randomize_weights(self.at(key.layer))
            else:
                classifier = self.at(key.layer)
            made = self._make(classifier, key.method)
            with self._lock:
                self._made[key] = made
                while self._keep is not None and len(self._made) > self._keep:
                    _close(self._made.popitem(last=False)[1])
            return made

    def all_maps_are_cheap(self, key: ExplainerKey) -> bool:
        """Return ``True`` if a key's explainer makes the maps of all classes for next to nothing.

        Raises:
            UsageError: There is no such layer or method.
        """
        head = self.at(key.layer).head
        return require_method(key.method, head).make_head(head).all_maps_are_cheap

    def close(self) -> None:
        """Close what was made here. Idempotent."""
        with self._lock:
            while self._made:
                _close(self._made.popitem()[1])


def maker_beside(
    explainer: Explainer, *, on_forwards: OnForwards | None = None
) -> Callable[[Classifier, str], Explainer]:
    """Return what makes explainers beside a given one, with a method, as an `ExplainerPool` wants.

    They run eagerly, or in the engine that runs the given one: a graph is there within seconds,
    but what is only looked at for a while is not worth compiling.

    Args:
        explainer: The given one; stays its owner's.
        on_forwards: Called with the progress of a slow method, as by the given one.
    """

    def make(classifier: Classifier, method: str) -> Explainer:
        runtime = explainer.runtime
        return Explainer(
            classifier,
            device=runtime.engine_device,
            precision=runtime.precision,
            compile="off",
            engine=runtime.engine,
            top_k=explainer.top_k,
            view=explainer.view,
            method=method,
            on_forwards=on_forwards,
        )

    return make


def pool_beside(
    explainer: Explainer, *, keep: int | None = None, on_forwards: OnForwards | None = None
) -> ExplainerPool[Explainer]:
    """Make the pool of explainers that differ from a given one in layer, method or weights.

    Args:
        explainer: The given one; stays its owner's.
        keep: How many of the others are kept at most.
        on_forwards: As for `maker_beside`.
    """
    return ExplainerPool(
        explainer.classifier,
        maker_beside(explainer, on_forwards=on_forwards),
        given=explainer,
        given_method=explainer.method,
        keep=keep,
    )


def _close(explainer: BatchExplainer) -> None:
    close = getattr(explainer, "close", None)
    if close is not None:
        close()
