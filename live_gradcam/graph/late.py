"""A network that is explained by its graph at once, and loaded itself when that is not enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from typing_extensions import override

from live_gradcam.choices import DEFAULT_TOP_K, DEFAULT_VIEW, VIEWS, View
from live_gradcam.errors import DeviceError
from live_gradcam.graph.asked import MOST_RUNS
from live_gradcam.graph.engine import GraphEngine
from live_gradcam.graph.engines.devices import TITLES
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.protocol import ClassChoice, LiveExplainer, MethodFacts, RuntimeFacts
from live_gradcam.values import Explanation, Image

# So many images, or seconds, are not worth loading anything that is faster.
_ALONE = 100
_ALONE_SECONDS = 4.0


class NetworkFacts(NamedTuple):
    """What is known of a network that its graph does not say.

    Attributes:
        layer_names: Names of its layers, from early to late.
        methods: The methods that there are.
        all_maps_are_cheap: The maps of all classes cost the network next to nothing.
    """

    layer_names: tuple[str, ...]
    methods: tuple[MethodFacts, ...]
    all_maps_are_cheap: bool


class LateExplainer(GraphExplainer):
    """Explains by the graph of a network that is loaded late, or never. A context manager.

    The graph answers whatever it can; the network itself is loaded for the first question that it
    cannot answer: the whole image as it is, the maps of very many classes, and whatever is asked
    of `network`. Where that is faster, it takes over in a longer run, loaded beside. What is not
    finite is computed again by the network. Safe to use from many
    threads, but for `network`, which traces: see `live_gradcam.protocol.Explainers`.

    Args:
        engine: Runs the graph, whose classes are asked for; belongs to the explainer from now on.
        facts: Of the network.
        load: Loads the network, and what explains with it; called once at most.
        top_k: Number of classes that are predicted.
        view: Part of an image that the network is shown.
        takes_over: The network is faster than the graph, once it is loaded.
        on_notice: Called with a sentence if the engine fails, and the network goes on.

    Raises:
        UsageError: ``top_k`` is less than 1, or the graph cannot be given this view.
    """

    def __init__(
        self,
        engine: GraphEngine,
        facts: NetworkFacts,
        load: Callable[[], LiveExplainer],
        *,
        top_k: int = DEFAULT_TOP_K,
        view: View = DEFAULT_VIEW,
        takes_over: bool = False,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(engine, top_k=top_k, view=view)
        self.facts = facts
        self._load = load
        self._on_notice = on_notice
        self._failed = False
        self._trouble = ""
        self._loading, self._counting = threading.Lock(), threading.Lock()
        self._loaded: LiveExplainer | None = None
        self._ended = False
        self._takes_over = takes_over
        self._images, self._began = 0, 0.0
        self._loader: threading.Thread | None = None

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network can be given."""
        return VIEWS

    @property
    @override
    def runtime(self) -> RuntimeFacts:  # type: ignore[override]
        """How the network, or its graph, runs."""
        loaded = self._loaded if self._takes_over or self._failed else None
        return super().runtime if loaded is None else loaded.runtime

    @property
    @override
    def compiled(self) -> bool:
        """True if the network has taken over, and is compiled by now."""
        return self._takes_over and self._loaded is not None and self._loaded.compiled

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost the network next to nothing."""
        return self.facts.all_maps_are_cheap

    def network(self) -> LiveExplainer:
        """Return what explains with the network itself, which is loaded if need be.

        Raises:
            LiveGradcamError: It cannot be loaded.
        """
        with self._loading:
            if self._ended:
                raise DeviceError("cannot load the network", "", "it was closed")
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def begin_loading(self) -> None:
        """Load the network in a thread of its own, while the graph explains. Idempotent."""
        with self._counting:
            if self._loader is None and self._loaded is None and not self._ended:
                self._loader = threading.Thread(target=self._try_to_load, name="load-network")
                self._loader.start()

    @property
    def is_loaded(self) -> bool:
        """True once the network is loaded."""
        return self._loaded is not None

    @property
    def trouble(self) -> str:
        """Why the network could not be loaded beside, as a sentence; empty as long as it may be."""
        return self._trouble

    @override
    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """See `GraphExplainer.explain_batch`; any view and any classes may be asked for."""
        shown = self.view if view is None else view
        if self._takes_over:
            self._load_beside(len(images))
        if not self._answers(classes, shown):
            return self.network().explain_batch(images, classes=classes, view=shown)
        try:
            found = super().explain_batch(images, classes=classes, view=shown)
        except DeviceError as exc:
            if self._ended:
                raise
            self._failed = True
            self._on_notice(f"{TITLES[self._engine.name]} failed, torch goes on: {exc}")
            return self.network().explain_batch(images, classes=classes, view=shown)
        if all(each.finite for each in found):
            return found
        return self.network().explain_batch(images, classes=classes, view=shown)

    @override
    def close(self) -> None:
        """Give the engine's memory and threads back, and the network's. Idempotent."""
        super().close()
        self._ended = True
        if self._loader is not None:
            self._loader.join()
        with self._loading:
            close = getattr(self._loaded, "close", None)
            self._loaded = None
        if close is not None:
            close()

    def _load_beside(self, images: int) -> None:
        """Load the network in a thread of its own, if there is more to explain than a little."""
        with self._counting:
            now = time.monotonic()
            self._began = self._began or now
            self._images += images
            few = self._images <= _ALONE and now - self._began <= _ALONE_SECONDS
        if not few:
            self.begin_loading()

    def _try_to_load(self) -> None:
        try:
            self.network()
        except Exception as exc:  # the graph goes on to explain
            self._trouble = f"the network cannot be loaded, its graph goes on: {exc}"
            if not self._ended:
                self._on_notice(self._trouble)

    def _answers(self, classes: ClassChoice, view: View) -> bool:
        """Return whether the graph can be asked this."""
        if self._failed or (self._takes_over and self._loaded is not None):
            return False
        if view == "full" and not self.metadata.any_size:
            return False
        many = len(self.classifier.labels) if classes == "all" else len(self._named(classes))
        return many <= MOST_RUNS * self.metadata.maps
