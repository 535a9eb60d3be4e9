"""The explainers of a session that teaches: with the network's own head, and with taught ones.

Layers, methods and random weights work on a taught head by the code that they work by on any.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

import numpy as np

from live_gradcam.choices import View
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import OnForwards
from live_gradcam.pool import ExplainerPool, maker_beside, pool_beside
from live_gradcam.protocol import ExplainerKey, LiveExplainer, MethodFacts
from live_gradcam.session.learner import FrameLearner
from live_gradcam.teaching.explainer import TaughtExplainer
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.values import Image

_logger = logging.getLogger(__name__)

# Seconds in which the trunk is given the time to become as fast as the network was.
_PATIENCE_SECONDS = 10.0
_KEPT_BESIDE = 2  # explainers of a taught head at other layers, with other methods or weights
_WARM: Image = np.zeros((64, 64, 3), np.uint8)


class TaughtPools:
    """The explainers of a network, with its own head and with those that were taught.

    Args:
        explainer: Of the network's own head; stays its owner's.
        keep: How many others of the own head are kept at most.
        on_forwards: Called with the progress of a slow method.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        explainer: Explainer,
        *,
        keep: int | None = None,
        on_forwards: OnForwards | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._explainer = explainer
        self._own = pool_beside(explainer, keep=keep, on_forwards=on_forwards)
        self._make = maker_beside(explainer, on_forwards=on_forwards)
        self._clock = clock
        self._lock = threading.Lock()
        self._heads: dict[int, ExplainerPool[LiveExplainer]] = {}
        self._newest = 0
        self._wanted = False
        self._extractor: FeatureExtractor | None = None
        self._learner: FrameLearner | None = None
        self._made_at = 0.0
        self._trouble = ""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers that can be explained, from early to late."""
        return self._own.layer_names

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The methods that there are."""
        return self._own.methods

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network can be given."""
        return self._own.views

    @property
    def fixed(self) -> str:
        """Nothing: layer, method and weights can be chosen."""
        return self._own.fixed

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """Nothing: every class has a map."""
        return self._own.mapped

    def find(self, key: ExplainerKey) -> LiveExplainer | None:
        """Return the explainer of a key if it is there already; never waits."""
        pool = self._pool_of(key)
        return None if pool is None else pool.find(key._replace(head=0))

    def get(self, key: ExplainerKey) -> LiveExplainer:
        """Return the explainer of a key, made if need be; in the thread that explains.

        Raises:
            UsageError: There is no such layer or method, or the head is gone.
            DeviceError: The device cannot be used.
        """
        pool = self._pool_of(key)
        if pool is None:
            raise LiveGradcamError("this head is there no more")
        return pool.get(key._replace(head=0))

    # Teaching

    @property
    def extractor(self) -> FeatureExtractor | None:
        """Runs the trunk; ``None`` until `make_wanted` has made it."""
        return self._extractor

    @property
    def learner(self) -> FrameLearner | None:
        """Explains frames and keeps their features; ``None`` likewise."""
        return self._learner

    @property
    def trouble(self) -> str:
        """Why nothing can be taught, as a sentence; empty while it may be."""
        return self._trouble

    @property
    def is_fast(self) -> bool:
        """True once the trunk runs as the network does, or will not."""
        extractor, explainer = self._extractor, self._explainer
        if extractor is None:
            return False
        here, there = extractor.runtime, explainer.runtime
        same = here.engine == there.engine and extractor.compiled >= explainer.compiled
        return same or self._clock() >= self._made_at + _PATIENCE_SECONDS

    def prepare(self) -> None:
        """Ask for the extractor; see `make_wanted`."""
        self._wanted = True

    def make_wanted(self) -> None:
        """Make the extractor, if it was asked for; to be called by the thread that explains."""
        if not self._wanted or self._extractor is not None or self._trouble:
            return
        try:
            extractor = FeatureExtractor.like(self._explainer)
            _ = extractor.trunk_hash
            extractor.extract([_WARM, _WARM])  # the first forward is slow, and nobody's
        except Exception as error:  # tracing runs code of strangers
            _logger.warning("cannot make the features", exc_info=error)
            self._trouble = str(error) or type(error).__name__
            return
        self._made_at = self._clock()
        self._learner = FrameLearner(extractor, self._explainer)
        self._extractor = extractor

    def put_on(self, classifier: Classifier) -> int:
        """Take a head that was taught, and return its number, see `ExplainerKey`.

        Args:
            classifier: With the head, on the extractor's trunk.

        Raises:
            ModelError: Its head is no linear one on the extractor's features.
        """
        assert self._extractor is not None, "what is taught was made by it"
        given = TaughtExplainer(self._extractor, classifier, top_k=self._explainer.top_k)
        pool: ExplainerPool[LiveExplainer] = ExplainerPool(
            classifier, self._make, given=given, keep=_KEPT_BESIDE
        )
        with self._lock:
            self._newest += 1
            self._heads[self._newest] = pool
            return self._newest

    def labels(self, head: int) -> tuple[str, ...]:
        """Return the names of a head's classes; nothing for one that is gone."""
        if head == 0:
            return tuple(self._explainer.classifier.labels)
        with self._lock:
            pool = self._heads.get(head)
        return () if pool is None else tuple(pool.classifier.labels)

    def close_old(self, used: Collection[int]) -> None:
        """Close the heads that are neither used nor the newest; in the thread that explains."""
        with self._lock:
            old = [each for each in self._heads if each not in used and each != self._newest]
            gone = [self._heads.pop(each) for each in old]
        for pool in gone:
            pool.close()

    def close(self) -> None:
        """Close what was made here. Idempotent."""
        self.close_old(())
        with self._lock:
            pools = [*self._heads.values(), self._own]
        for pool in pools:
            pool.close()
        if self._extractor is not None:
            self._extractor.close()

    def _pool_of(self, key: ExplainerKey) -> ExplainerPool[LiveExplainer] | None:
        if key.head == 0:
            return self._own
        with self._lock:
            return self._heads.get(key.head)
