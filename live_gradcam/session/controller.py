"""Keeps what the person chose, and turns it into requests for the worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from live_gradcam.images.parts import Roi
from live_gradcam.session.explainers import RequestedExplainers
from live_gradcam.session.keys import press
from live_gradcam.session.outputs import describe_failure
from live_gradcam.session.request import ExplainRequest, Learner
from live_gradcam.session.state import ExplainSettings, SessionState, Situation
from live_gradcam.session.teaching_keys import class_number

_logger = logging.getLogger(__name__)

MESSAGE_SECONDS = 3.0
"""Time for which a message stays on the screen."""

FIRST_HINT = "h: help"
"""The message with which a session begins."""

FIRST_HINT_SECONDS = 8.0
"""Time for which it stays, unless a key is pressed before."""

POINTER_SECONDS = 10.0
"""Time for which a spot's votes stay on the screen after the mouse came to rest."""

# The toolkit tells that a key is pressed, and again and again while it is held, but not when it is
# let go. X11 begins to repeat after two thirds of a second, and then does it many times a second.
_FIRST_HOLD_SECONDS = 0.75
_HOLD_SECONDS = 0.3


class Controller:
    """The state of a session and what is to be done because of it.

    Args:
        state: The first state.
        explainers: Explainers for other layers, methods and weights.
        on_state: Called with every new state that a key has made.
        describe: Says on the screen what has failed.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        state: SessionState,
        explainers: RequestedExplainers,
        *,
        on_state: Callable[[SessionState], None],
        describe: Callable[[Exception], str] = describe_failure,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._explainers = explainers
        self._on_state = on_state
        self._describe = describe
        self._clock = clock
        self._pointer: tuple[int, int] | None = None
        self._pointer_until = 0.0
        self._message_until = 0.0
        self._held_until = 0.0

    @property
    def state(self) -> SessionState:
        """The person's choices."""
        return self._state

    @property
    def pointer(self) -> tuple[int, int] | None:
        """Position of the mouse, in pixels of the frame; ``None`` after a while."""
        return self._pointer

    def press(self, key: str, situation: Situation) -> SessionState:
        """Obey a key and return the state before it."""
        before = self._state
        self._state = press(before, key, situation)
        if self._state.message:
            self._message_until = self._clock() + MESSAGE_SECONDS
        held = self._state.teaching.held
        if held is not None and held == class_number(key):
            pressed = self._state.teaching.presses != before.teaching.presses
            seconds = _FIRST_HOLD_SECONDS if pressed else _HOLD_SECONDS
            until = self._clock() + seconds
            self._held_until = until if pressed else max(self._held_until, until)
        return before

    def use_head(self, head: int, before: Sequence[str], after: Sequence[str]) -> None:
        """Let another head answer: the network's own, or one that was taught.

        A class that is held stays held where the head knows one of its name.

        Args:
            head: Its number, see `ExplainerKey`.
            before: Names of the classes of the head before.
            after: Names of its classes.
        """
        settings = self._state.settings
        indices = {label: index for index, label in enumerate(after)}

        def renamed(index: int | None) -> int | None:
            known = index is not None and index < len(before)
            return indices.get(before[index]) if known and index is not None else None

        changed = replace(
            settings,
            key=settings.key._replace(head=head),
            held=renamed(settings.held),
            kept=renamed(settings.kept),
        )
        self._state = replace(self._state, settings=changed)

    def close_row(self) -> None:
        """Close the row of taught classes."""
        closed = replace(self._state.teaching, open=False, naming=None, held=None)
        self._state = replace(self._state, teaching=closed)

    def begin_anew(self, state: SessionState) -> None:
        """Take another state, as for somebody who has just come."""
        self._state = state
        self._pointer = None
        self.publish_state()

    def publish_state(self) -> None:
        """Hand the new state to the listener, once everything it asks for has begun."""
        self._on_state(self._state)

    def explain_parts(self, *rois: Roi, message: str) -> None:
        """Obey the mouse: explain parts of the frame, or all of it where there are none.

        Args:
            rois: The parts.
            message: What it did, in a few words.
        """
        settings = replace(self._state.settings, rois=rois)
        self._state = replace(self._state, settings=settings, message=message)
        self._message_until = self._clock() + MESSAGE_SECONDS
        self._pointer = None

    def move_pointer(self, x: int, y: int) -> None:
        """Obey the mouse."""
        self._pointer = (x, y)
        self._pointer_until = self._clock() + POINTER_SECONDS

    def show_message(
        self, message: str, *, recording: bool | None = None, seconds: float = MESSAGE_SECONDS
    ) -> None:
        """Put a message on the screen.

        Args:
            message: A few words.
            recording: Correction of the state where a recording did not begin or go on.
            seconds: How long it stays.
        """
        recording = self._state.recording if recording is None else recording
        self._state = replace(self._state, message=message, recording=recording)
        self._message_until = self._clock() + seconds

    def expire(self) -> bool:
        """Drop a message, a pointer and a held key whose time is over.

        Returns:
            ``True`` if something was dropped.
        """
        now = self._clock()
        dropped = False
        if self._pointer is not None and now > self._pointer_until:
            self._pointer = None
            dropped = True
        if self._state.message and now > self._message_until:
            self._state = replace(self._state, message="")
            dropped = True
        teaching = self._state.teaching
        if teaching.held is not None and now > self._held_until:
            self._state = replace(self._state, teaching=replace(teaching, held=None))
            dropped = True
        return dropped

    def is_pending(self, request: ExplainRequest) -> bool:
        """Return ``True`` while the explainer that the state asks for is not in use yet."""
        return request.settings.key != self._state.settings.key

    def next_request(
        self, current: ExplainRequest, learner: Learner | None = None, burst: int = 0
    ) -> ExplainRequest:
        """Return what the state asks for; the explainer stays while another one is being made.

        Args:
            current: The request before.
            learner: Takes examples, where some are being shown.
            burst: Number of their burst; 0 where none are shown.
        """
        settings = self._state.settings
        pointing = self._pointer is not None
        try:
            trained = self._explainers.find(settings.key._replace(randomized=False))
            explainer = self._explainers.find(settings.key)
            predictor = explainer
            if settings.measured:
                predictor = self._explainers.find_predictor(settings.key)
        except Exception as error:  # the session goes on with what it had
            _logger.warning("cannot make the explainer", exc_info=error)
            settings = _asked_of(current, settings)
            self._state = replace(self._state, settings=settings)
            self.show_message(f"that cannot be explained: {self._describe(error)}")
            return current
        if explainer is None or trained is None or predictor is None:
            settings = _asked_of(current, settings)
            return replace(
                current, settings=settings, pointing=pointing, learner=learner, burst=burst
            )
        return ExplainRequest(
            settings=settings,
            explainer=explainer,
            trained=trained,
            predictor=predictor,
            pointing=pointing,
            learner=learner,
            burst=burst,
        )


def _asked_of(current: ExplainRequest, settings: ExplainSettings) -> ExplainSettings:
    """Return the settings as the explainer in use can obey them: with its key and its classes."""
    key = current.settings.key
    if key.head == settings.key.head:
        return replace(settings, key=key)
    return replace(settings, key=key, held=current.settings.held, kept=current.settings.kept)
