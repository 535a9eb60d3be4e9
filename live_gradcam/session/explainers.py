"""The explainers of a session: the given one, and others of its classifier made on demand."""

from __future__ import annotations

import threading

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import OnForwards
from live_gradcam.pool import ExplainerKey, ExplainerPool

_KEPT = 4


def make_pool(
    explainer: Explainer, *, on_forwards: OnForwards | None = None
) -> ExplainerPool[Explainer]:
    """Make the pool of explainers that differ from a given one in layer, method or weights.

    They run eagerly: what is only looked at for a while is not worth compiling.

    Args:
        explainer: The given one; stays its owner's.
        on_forwards: Called with the progress of a slow method, as by the given one.
    """

    def make(classifier: Classifier, method: str) -> Explainer:
        runtime = explainer.runtime
        return Explainer(
            classifier,
            device=runtime.device,
            precision=runtime.precision,
            compile="off",
            top_k=explainer.top_k,
            view=explainer.view,
            method=method,
            on_forwards=on_forwards,
        )

    return ExplainerPool(
        explainer.classifier, make, given=explainer, given_method=explainer.method, keep=_KEPT
    )


class RequestedExplainers:
    """Explainers of a pool that one thread asks for and another one makes.

    The thread that explains makes them, between two frames: tracing a network patches torch's
    modules for a moment, during which no other thread could run one.

    Args:
        pool: Makes the explainers; stays its owner's.
    """

    def __init__(self, pool: ExplainerPool[Explainer]) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._wanted: list[ExplainerKey] = []
        self._error: Exception | None = None
        self._layer_names: tuple[str, ...] = ()

    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, from early to late; empty before `make_wanted` has listed them."""
        return self._layer_names

    def find(self, key: ExplainerKey) -> Explainer | None:
        """Return the explainer of a key, or ``None`` until `make_wanted` has made it.

        Raises:
            Exception: What was asked for last cannot be made; asking again tries again.
        """
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            found = self._pool.find(key)
            if found is None and key not in self._wanted:
                self._wanted.append(key)
            return found

    def make_wanted(self) -> None:
        """Make what was asked for; to be called by the thread that explains."""
        if not self._layer_names:
            self._layer_names = self._pool.layer_names
        while self._wanted:
            key = self._wanted[0]
            try:
                self._pool.get(key)
            except Exception as error:  # raised again for the thread that asks
                with self._lock:
                    self._wanted.clear()
                    self._error = error
                return
            with self._lock:
                self._wanted.remove(key)
