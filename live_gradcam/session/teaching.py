"""Teaching in a session: the desk and its heads, between the loop and the controller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from live_gradcam.closeable import Closeable
from live_gradcam.errors import LiveGradcamError
from live_gradcam.protocol import Explainers, LiveExplainer
from live_gradcam.session.config import SessionConfig
from live_gradcam.session.controller import Controller
from live_gradcam.session.late_pools import LatePools
from live_gradcam.session.pools import make_desk, pools_to_teach
from live_gradcam.session.request import ExplainedFrame, ExplainRequest
from live_gradcam.session.state import Situation
from live_gradcam.show.options import TeachingRow

if TYPE_CHECKING:
    from live_gradcam.session.taught_pools import TaughtPools
    from live_gradcam.session.teaching_desk import TeachingDesk

_LOADING = "loading what learns ..."
_FIXED = "an exported or int8 network cannot be taught: run the network itself"
_FUSED = "several layers at once cannot be taught on: run one (--layer)"


class Teaching(Closeable):
    """What is taught in a session. Belongs to the window's thread, but for `make_wanted`.

    The desk is made when the row is opened for the first time: nothing is loaded before.

    Args:
        config: Of the session.
        pool: Its explainers; stay its owner's.
        controller: Keeps what was chosen.
    """

    def __init__(
        self, config: SessionConfig, pool: Explainers[LiveExplainer], controller: Controller
    ) -> None:
        self._config = config
        self._pool = pool
        self._controller = controller
        self._desk: TeachingDesk | None = None
        self._head = 0
        self._trouble = ""

    @property
    def _pools(self) -> TaughtPools | None:
        return pools_to_teach(self._pool)

    @property
    def unteachable(self) -> str:
        """Why nothing can be taught, in a few words; empty if it can."""
        if self._pools is None and not isinstance(self._pool, LatePools):
            return _FIXED
        if "," in self._config.explainer.classifier.layer:
            return _FUSED
        late = self._pool.trouble if isinstance(self._pool, LatePools) else ""
        return self._trouble or late

    def describe(self, situation: Situation) -> Situation:
        """Return a situation with what keys need to know of teaching."""
        desk = self._desk
        return replace(
            situation,
            unteachable=self.unteachable,
            taught=desk is not None and desk.head > 0,
            taught_classes=desk.classes if desk is not None else (),
            taken_names=desk.taken_names if desk is not None else (),
            own_classes=len(self._config.explainer.classifier.labels),
        )

    def obey(self) -> None:
        """Do what the last key has asked for."""
        if self._desk is None and not self._open():
            if self._is_loading():
                self._controller.show_message(_LOADING)
            return
        assert self._desk is not None, "it is there"
        words = self._desk.follow(self._controller.state)
        if words:
            self._controller.show_message(words)
        self._choose_head()

    def look(self) -> bool:
        """Pick up what was learned meanwhile; ``True`` if there is something new to be seen.

        Raises:
            LiveGradcamError: The session that was to be gone on with cannot be.
        """
        if self._desk is None and not self._open():
            if not self._controller.state.teaching.open or self._is_loading():
                return False
            self._controller.close_row()  # it was open from the beginning
            self._controller.show_message(self.unteachable)
            return True
        assert self._desk is not None, "it is there"
        try:
            changed = self._desk.poll(self._controller.state)
        except LiveGradcamError as error:
            if self._config.teaching.resume:
                raise
            self._give_up(error)
            return True
        return self._choose_head() or changed

    def take(self, explained: ExplainedFrame) -> None:
        """Take a frame as an example, if one of its class is being shown."""
        if self._desk is not None:
            self._desk.take(explained)

    def next_request(self, current: ExplainRequest) -> ExplainRequest:
        """Return what the state asks for, see `Controller.next_request`."""
        if self._desk is None:
            return self._controller.next_request(current)
        return self._controller.next_request(current, self._desk.learner, self._desk.burst)

    def row(self) -> TeachingRow | None:
        """Return the row of classes as it is drawn; ``None`` while it is closed."""
        return self._desk.row(self._controller.state) if self._desk is not None else None

    def make_wanted(self, used: Callable[[], ExplainRequest]) -> None:
        """Make what teaching needs, between two frames; in the thread that explains."""
        if isinstance(self._pool, LatePools):
            self._pool.make_wanted()
        pools = self._pools
        if pools is not None:
            pools.make_wanted()
            pools.close_old({used().settings.key.head, self._head})

    def close(self, *, hurried: bool = False) -> None:
        """Save what was taught. Idempotent."""
        if self._desk is not None:
            self._desk.close(hurried=hurried)

    def _is_loading(self) -> bool:
        """Return whether the network is needed for the row, and not there yet; ask for it."""
        if not self._controller.state.teaching.open or self._pools is not None or self.unteachable:
            return False
        assert isinstance(self._pool, LatePools), "others are there, or cannot be taught"
        self._pool.want()
        return True

    def _open(self) -> bool:
        """Make the desk, if the row is open; ``False`` if there is none."""
        config = self._config
        pools = self._pools
        if pools is None or not self._controller.state.teaching.open or self.unteachable:
            return False
        source = config.source
        self._desk = make_desk(
            pools,
            config.teaching,
            folder=config.folder or Path.cwd(),
            moving=source is None or source.info.kind != "pictures",
            on_notice=config.on_notice,
        )
        return True

    def _give_up(self, error: LiveGradcamError) -> None:
        """Close the row for good: nothing could be kept."""
        self._desk, self._trouble = None, str(error)
        self._controller.close_row()
        self._controller.show_message(str(error))
        self._config.on_notice(str(error))

    def _choose_head(self) -> bool:
        """Let the newest head answer, or the network's own; ``True`` if that is another one."""
        desk, pools = self._desk, self._pools
        if desk is None or pools is None:
            return False
        head = 0 if self._controller.state.teaching.own else desk.head
        if head == self._head:
            return False
        self._controller.use_head(head, pools.labels(self._head), pools.labels(head))
        self._head = head
        return True
