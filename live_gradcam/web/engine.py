"""One network for all visitors: everybody gets a turn, and pictures that wait share a forward."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, TypeAlias

from typing_extensions import Self

from live_gradcam.choices import View
from live_gradcam.errors import LiveGradcamError
from live_gradcam.values import Explanation, Image

Classes: TypeAlias = "str | int | Sequence[str | int] | None"

_logger = logging.getLogger(__name__)


class Explains(Protocol):
    """The part of `live_gradcam.Explainer` that the page uses."""

    def explain_batch(
        self, images: Sequence[Image], *, classes: Classes = None, view: View | None = None
    ) -> list[Explanation]:
        """One explanation for each picture, in order."""


class Busy(LiveGradcamError):
    """Somebody asks for more than their share, or for more than the page can do."""


@dataclass(slots=True)
class _Request:
    explainer: Explains
    image: Image
    classes: Classes
    view: View
    result: Future[Explanation] = field(default_factory=Future)

    def fits(self, other: _Request) -> bool:
        """Whether both can be explained in one forward."""
        return (
            self.explainer is other.explainer
            and self.view == other.view
            and self.classes == other.classes
        )


class SharedEngine:
    """Takes pictures from any thread and explains them in turns.

    A turn serves every visitor who waits with one picture, as far as they ask the same question;
    only what room is left goes to those who have more than one. Whoever sends many pictures, a
    video for instance, therefore delays nobody by more than one forward.

    Args:
        explainer: Explains batches, unless a request names another one; called from one thread.
        batch: Pictures in one forward at most.
        waiting_per_visitor: Pictures of one visitor that may wait.
    """

    def __init__(
        self, explainer: Explains, *, batch: int = 8, waiting_per_visitor: int = 4
    ) -> None:
        self._explainer = explainer
        self._batch = max(1, batch)
        self._share = waiting_per_visitor
        self._waiting: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="page-engine", daemon=True)
        self._thread.start()

    def submit(
        self,
        visitor: str,
        image: Image,
        *,
        classes: Classes = None,
        view: View = "crop",
        explainer: Explains | None = None,
    ) -> Future[Explanation]:
        """Ask for an explanation.

        Args:
            visitor: Whose turn it takes; any string that is the visitor's own.
            image: ``uint8 (H, W, 3)`` BGR; must not change until the result is there.
            classes: What to explain, as for `Explainer.explain_batch`.
            view: What the network is shown.
            explainer: Explains it instead of the usual one, e.g. at another layer.

        Returns:
            The explanation to come; cancelling it gives the turn back.

        Raises:
            Busy: The visitor has too many pictures waiting, or the page is closing.
        """
        request = _Request(explainer or self._explainer, image, classes, view)
        with self._changed:
            if self._closed:
                raise Busy("cannot explain", cause="the page is closing")
            queue = self._waiting.setdefault(visitor, deque())
            if len(queue) >= self._share:
                raise Busy("cannot explain", cause="too many of your pictures are waiting already")
            queue.append(request)
            self._changed.notify()
        return request.result

    def close(self) -> None:
        """End the thread; whoever still waits gets `Busy`. Idempotent."""
        with self._changed:
            self._closed = True
            left = [request for queue in self._waiting.values() for request in queue]
            self._waiting.clear()
            self._changed.notify()
        for request in left:
            if request.result.set_running_or_notify_cancel():
                request.result.set_exception(Busy("cannot explain", cause="the page is closing"))
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> list[_Request]:
        """The next turn: one picture of each visitor first, then more of the same ones."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            turn: list[_Request] = []
            while len(turn) < self._batch:
                served = self._one_of_each(turn)
                if not served:
                    break
            return turn

    def _one_of_each(self, turn: list[_Request]) -> bool:
        served = False
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
            served = True
        return served

    def _work(self) -> None:
        while True:
            turn = self._take()
            if turn:
                self._answer(turn)
            elif self._closed:
                return

    def _answer(self, turn: list[_Request]) -> None:
        first = turn[0]
        try:
            explanations = first.explainer.explain_batch(
                [request.image for request in turn], classes=first.classes, view=first.view
            )
        except Exception as error:
            if len(turn) == 1:
                first.result.set_exception(error)
                return
            # One visitor's picture must not spoil the others'.
            _logger.debug("a batch of %d failed, one by one now", len(turn), exc_info=True)
            for request in turn:
                self._answer([request])
            return
        for request, explanation in zip(turn, explanations, strict=True):
            request.result.set_result(explanation)


@dataclass(frozen=True, slots=True)
class Seat:
    """One visitor's access to the engine, in the shape of an explainer.

    Attributes:
        engine: Shared by all.
        visitor: Whose turns are taken.
        view: What the network is shown unless a call says otherwise.
        explainer: Explains instead of the engine's usual one.
    """

    engine: SharedEngine
    visitor: str
    view: View = "crop"
    explainer: Explains | None = None

    def explain_batch(
        self, images: Sequence[Image], *, classes: Classes = None, view: View | None = None
    ) -> list[Explanation]:
        """One explanation for each picture, in order; see `SharedEngine.submit`."""
        results = [
            self.engine.submit(
                self.visitor,
                image,
                classes=classes,
                view=view or self.view,
                explainer=self.explainer,
            )
            for image in images
        ]
        return [result.result() for result in results]
