"""The explainers of a network whose graph explains already, and which is loaded when need be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from live_gradcam.choices import View
from live_gradcam.graph.late import LateExplainer
from live_gradcam.protocol import ExplainerKey, LiveExplainer, MethodFacts

if TYPE_CHECKING:
    from live_gradcam.session.taught_pools import TaughtPools


class LatePools:
    """Makes explainers of a network that is loaded for the first of them.

    Args:
        explainer: Of the graph, which answers for its own layer and method; stays its owner's.
        keep: How many of the others are kept at most.
        on_forwards: Called with the progress of a slow method.
    """

    def __init__(
        self,
        explainer: LateExplainer,
        *,
        keep: int | None = None,
        on_forwards: Callable[[int, int], None] | None = None,
    ) -> None:
        self._explainer = explainer
        self._key = ExplainerKey(explainer.classifier.layer, explainer.method)
        self._keep = keep
        self._on_forwards = on_forwards
        self._wanted = threading.Event()
        self._pools: TaughtPools | None = None

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers that can be explained, from early to late."""
        return self._explainer.facts.layer_names

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The methods that there are."""
        return self._explainer.facts.methods

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network can be given."""
        return self._explainer.views

    @property
    def fixed(self) -> str:
        """Nothing: layer, method and weights can be chosen."""
        return ""

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """Nothing: every class has a map."""
        return None

    @property
    def loaded(self) -> TaughtPools | None:
        """The explainers of the network itself; ``None`` until it is loaded."""
        return self._pools

    def find(self, key: ExplainerKey) -> LiveExplainer | None:
        """Return the explainer of a key if it is there already; never waits."""
        if key == self._key:
            return self._explainer
        return None if self._pools is None else self._pools.find(key)

    def get(self, key: ExplainerKey) -> LiveExplainer:
        """Return the explainer of a key, made if need be; in the thread that explains.

        Raises:
            UsageError: There is no such layer or method.
            LiveGradcamError: The network cannot be loaded.
        """
        return self._explainer if key == self._key else self._load().get(key)

    @property
    def trouble(self) -> str:
        """Why the network cannot be loaded, as a sentence; empty as long as it may be."""
        return self._explainer.trouble

    def want(self) -> None:
        """Ask for the network itself, which is loaded beside the graph; see `make_wanted`."""
        self._wanted.set()
        self._explainer.begin_loading()

    def make_wanted(self) -> None:
        """Take the network if it was asked for and is loaded; in the thread that explains."""
        if self._wanted.is_set() and self._explainer.is_loaded:
            self._wanted.clear()
            self._load()

    def close(self) -> None:
        """Close what was made here. Idempotent."""
        if self._pools is not None:
            self._pools.close()

    def _load(self) -> TaughtPools:
        if self._pools is None:
            network = self._explainer.network()
            from live_gradcam.explain.explainer import Explainer
            from live_gradcam.session.taught_pools import TaughtPools

            self._pools = TaughtPools(
                cast(Explainer, network), keep=self._keep, on_forwards=self._on_forwards
            )
        return self._pools
