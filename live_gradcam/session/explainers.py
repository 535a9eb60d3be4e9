"""The explainers of a session that one thread asks for and another one makes."""

from __future__ import annotations

import threading

from live_gradcam.choices import DEFAULT_METHOD
from live_gradcam.protocol import ExplainerKey, Explainers, LiveExplainer


class RequestedExplainers:
    """Explainers of a pool that one thread asks for and another one makes.

    The thread that explains makes them, between two frames: tracing a network patches torch's
    modules for a moment, during which no other thread could run one.

    Args:
        pool: Makes the explainers; stays its owner's.
    """

    def __init__(self, pool: Explainers[LiveExplainer]) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._wanted: list[ExplainerKey] = []
        self._error: Exception | None = None
        self._layer_names: tuple[str, ...] = ()

    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, from early to late; empty before `make_wanted` has listed them."""
        return self._layer_names

    def find(self, key: ExplainerKey) -> LiveExplainer | None:
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

    def find_predictor(self, key: ExplainerKey) -> LiveExplainer | None:
        """Return what predicts as the explainer of a key does, at the price of a quick method.

        ``None`` until it is made; see `find`.
        """
        slow = {each.name for each in self._pool.methods if not each.quick}
        if self._pool.fixed or key.method not in slow:
            return self.find(key)
        return self.find(key._replace(method=DEFAULT_METHOD))

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
