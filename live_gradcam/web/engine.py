"""One network for all visitors: each one gets a turn, and images that wait share a forward."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from live_gradcam.choices import View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import LiveGradcamError
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer, ClassChoice, ExplainerKey
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.values import Explanation, Image

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class Busy(LiveGradcamError):
    """A visitor asks for more than their share, or for more than the page can do."""


@dataclass(slots=True)
class _Request:
    """An image that waits.

    Attributes:
        question: What is asked of it; requests with the same one share a forward.
        answer: Answers it for several images.
        image: The image.
        then: Makes of the answer what this visitor is given.
        result: What this visitor is given, of any kind.
    """

    question: tuple[object, ...]
    answer: Callable[[list[Image]], Sequence[Any]]
    image: Image
    then: Callable[[Any], Any] | None = None
    result: Future[Any] = field(default_factory=Future)

    def fits(self, other: _Request) -> bool:
        """True if both can be answered in one forward."""
        return self.question == other.question


class SharedEngine(Closeable):
    """Explains images from any thread, in turns, in one thread of its own. A context manager.

    A turn serves each visitor who waits with one image, if it is to be explained in the same way
    as the first one; only the room that is left goes to visitors with more than one. A visitor
    with many images, a video for instance, therefore delays nobody by more than one forward.

    Args:
        pool: Explains batches; new explainers are made in the engine's thread.
        batch: Largest number of images in one forward.
        waiting_per_visitor: Largest number of images of one visitor that may wait.
    """

    def __init__(
        self, pool: ExplainerPool[BatchExplainer], *, batch: int = 8, waiting_per_visitor: int = 4
    ) -> None:
        self.pool = pool
        self._batch = max(1, batch)
        self._share = waiting_per_visitor
        self._waiting: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="page-engine")

    @property
    def waiting(self) -> int:
        """Number of images that wait for their turn."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def submit(
        self,
        visitor: str,
        image: Image,
        *,
        classes: ClassChoice = None,
        view: View = "crop",
        key: ExplainerKey | None = None,
    ) -> Future[Explanation]:
        """Ask for an explanation.

        Args:
            visitor: Any string that is the visitor's own.
            image: ``uint8 (H, W, 3)`` BGR; must not change until the result is there.
            classes: Which classes get a map, as for `Explainer.explain_batch`.
            view: What the network is shown.
            key: The explainer that is used; the pool's given one if ``None``.

        Returns:
            The explanation to come; cancelling it gives the turn back.

        Raises:
            Busy: The visitor has too many images waiting, or the page is closing.
        """
        key = key or self.pool.key()

        def explain(images: list[Image]) -> Sequence[Explanation]:
            return self.pool.get(key).explain_batch(images, classes=classes, view=view)

        return self._wait(visitor, _Request(("explain", key, classes, view), explain, image))

    def submit_features(
        self,
        visitor: str,
        image: Image,
        extractor: FeatureExtractor,
        then: Callable[[FrameFeatures], T],
        *,
        view: View = "crop",
    ) -> Future[T]:
        """Ask for what is to be made of an image's features, with a head of the visitor's own.

        Whatever visitors teach it, the trunk is the same: they share its forwards.

        Args:
            visitor: As for `submit`.
            image: As for `submit`.
            extractor: Runs the trunk; one for all visitors.
            then: Makes the answer of the features, for this visitor alone, in the engine's thread.
            view: As for `submit`.

        Returns:
            The answer to come; cancelling gives the turn back.

        Raises:
            Busy: As for `submit`.
        """

        def extract(images: list[Image]) -> Sequence[FrameFeatures]:
            return extractor.extract(images, view=view)

        return self._wait(visitor, _Request(("features", extractor, view), extract, image, then))

    def _wait(self, visitor: str, request: _Request) -> Future[Any]:
        with self._lock:
            self._require_open()
            queue = self._waiting.setdefault(visitor, deque())
            if len(queue) >= self._share:
                raise Busy("cannot explain", cause="too many of your pictures are waiting already")
            queue.append(request)
            # One turn for each request: those that come too late find nothing to do.
            self._thread.submit(self._serve_turn)
        return request.result

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Run something between two forwards, in the thread that explains.

        For what traces the network: no other thread may run it meanwhile.

        Raises:
            Busy: The page is closing.
        """
        with self._lock:
            self._require_open()
            return self._thread.submit(work)

    def close(self) -> None:
        """End the thread; requests that still wait get `Busy`. Idempotent."""
        with self._lock:
            self._closed = True
            left = [request for queue in self._waiting.values() for request in queue]
            self._waiting.clear()
        for request in left:
            if request.result.set_running_or_notify_cancel():
                request.result.set_exception(_closing())
        self._thread.shutdown()

    def _require_open(self) -> None:
        if self._closed:
            raise _closing()

    def _serve_turn(self) -> None:
        turn: list[_Request] = []
        with self._lock:
            while len(turn) < self._batch and self._take_one_of_each(turn):
                pass
        if turn:
            self._answer(turn)

    def _take_one_of_each(self, turn: list[_Request]) -> bool:
        """Add one image of each visitor; ``False`` if none of those that wait fits."""
        found = False
        for visitor in list(self._waiting):
            if len(turn) >= self._batch:
                break
            queue = self._waiting[visitor]
            if turn and not queue[0].fits(turn[0]):
                continue
            request = queue.popleft()
            if queue:
                self._waiting.move_to_end(visitor)
            else:
                del self._waiting[visitor]
            if request.result.set_running_or_notify_cancel():
                turn.append(request)
            found = True
        return found

    def _answer(self, turn: list[_Request]) -> None:
        first = turn[0]
        try:
            found = first.answer([request.image for request in turn])
            answers = list(zip(turn, found, strict=True))
        except Exception as error:
            if len(turn) == 1:
                first.result.set_exception(error)
                return
            # One visitor's image must not spoil the others'.
            _logger.debug("a batch of %d failed, one by one now", len(turn), exc_info=True)
            for request in turn:
                self._answer([request])
            return
        for request, answer in answers:
            try:
                given = answer if request.then is None else request.then(answer)
            except Exception as error:
                request.result.set_exception(error)
            else:
                request.result.set_result(given)


def _closing() -> Busy:
    return Busy("cannot explain", cause="the page is closing")


@dataclass(frozen=True, slots=True)
class VisitorExplainer:
    """One visitor's access to the engine, in the shape of an explainer.

    Attributes:
        engine: Shared by all visitors.
        visitor: The visitor whose turns are taken.
        view: What the network is shown unless a call says otherwise.
        key: The explainer that is used; the pool's given one if ``None``.
    """

    engine: SharedEngine
    visitor: str
    view: View = "crop"
    key: ExplainerKey | None = None

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """One explanation for each image, in order; see `SharedEngine.submit`."""
        results = [
            self.engine.submit(
                self.visitor, image, classes=classes, view=view or self.view, key=self.key
            )
            for image in images
        ]
        return [result.result() for result in results]
