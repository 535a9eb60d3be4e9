"""The explainers of a session: the given one, and its like at other layers, methods or weights."""

from __future__ import annotations

import threading
from typing import TypeAlias

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.layers import at_layer, list_layers
from live_gradcam.explain.methods import OnForwards
from live_gradcam.faithfulness.randomize import randomize_weights

_KEPT = 4

_Key: TypeAlias = "tuple[str, str, bool]"


class Studio:
    """Makes explainers when they are asked for, each once.

    One thread asks, another one makes: the one that explains, between two frames. Tracing a network
    patches torch's modules for a moment, during which no other thread could run one.

    They run eagerly: what is only looked at for a while is not worth compiling.

    Args:
        explainer: The given one; stays its owner's.
        on_forwards: Told how far a slow method is, as the given one's is.
    """

    def __init__(self, explainer: Explainer, *, on_forwards: OnForwards | None = None) -> None:
        self._given = explainer
        self._on_forwards = on_forwards
        self._lock = threading.Lock()
        self._made: dict[_Key, Explainer] = {}
        self._wanted: list[_Key] = []
        self._error: Exception | None = None
        self._layers: tuple[str, ...] | None = None

    @property
    def layer(self) -> str:
        """The layer of the given explainer."""
        return self._given.classifier.layer

    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be explained, from early to late; empty before `work`."""
        return self._layers or ()

    @property
    def method(self) -> str:
        """The method of the given explainer."""
        return self._given.method

    def get(
        self, layer: str, *, method: str | None = None, scrambled: bool = False
    ) -> Explainer | None:
        """The explainer for a layer and a method, with the trained or with random weights.

        Args:
            layer: Name of the layer.
            method: Name of the method; the given explainer's own if ``None``.
            scrambled: With random weights.

        Returns:
            ``None`` while it is not made yet; `work` makes it.

        Raises:
            Exception: It cannot be made; asking again tries again.
        """
        key = (layer, method or self.method, scrambled)
        if key == (self.layer, self.method, False):
            return self._given
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            if key not in self._made and key not in self._wanted:
                self._wanted.append(key)
            return self._made.get(key)

    def work(self) -> None:
        """Make what was asked for."""
        if self._layers is None:
            self._layers = _names(self._given)
        while self._wanted:
            key = self._wanted[0]
            try:
                made = self._make(*key)
            except Exception as error:  # told to whoever asks
                with self._lock:
                    self._wanted.clear()
                    self._error = error
                return
            with self._lock:
                self._wanted.remove(key)
                self._made[key] = made
                while len(self._made) > _KEPT:
                    self._made.pop(next(iter(self._made))).close()

    def close(self) -> None:
        """Let go of what was made."""
        with self._lock:
            for explainer in self._made.values():
                explainer.close()
            self._made.clear()

    def _make(self, layer: str, method: str, scrambled: bool) -> Explainer:
        given = self._given
        classifier = randomize_weights(given.classifier) if scrambled else given.classifier
        runtime = given.runtime
        return Explainer(
            at_layer(classifier, layer),
            device=runtime.device,
            precision=runtime.precision,
            compile="off",
            top_k=given.top_k,
            view=given.view,
            method=method,
            on_forwards=self._on_forwards,
        )


def _names(explainer: Explainer) -> tuple[str, ...]:
    try:
        return tuple(layer.name for layer in list_layers(explainer.classifier))
    except Exception:  # a network that cannot be traced is explained where it was cut, only
        return (explainer.classifier.layer,)
