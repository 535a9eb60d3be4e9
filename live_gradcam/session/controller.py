"""Keeps what the person chose, and turns it into orders for the analyst."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from live_gradcam.session.keys import press
from live_gradcam.session.outputs import failure_words
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.studio import Studio
from live_gradcam.session.worker import Order

_logger = logging.getLogger(__name__)

MESSAGE_SECONDS = 3.0
"""How long a message stays on the screen."""

POINTER_SECONDS = 10.0
"""How long a spot's votes stay on the screen after the mouse came to rest."""


class Controller:
    """The state of a session and what is to be done because of it.

    Args:
        state: The first state.
        studio: Makes explainers for other layers, methods and weights.
        on_state: Told every new state that a key has made.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        state: SessionState,
        studio: Studio,
        *,
        on_state: Callable[[SessionState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._studio = studio
        self._on_state = on_state
        self._clock = clock
        self._pointer: tuple[int, int] | None = None
        self._pointer_until = 0.0
        self._message_until = 0.0

    @property
    def state(self) -> SessionState:
        """What the person chose."""
        return self._state

    @property
    def pointer(self) -> tuple[int, int] | None:
        """Where the mouse points to, in pixels of the frame; ``None`` after a while."""
        return self._pointer

    def press(self, key: str, situation: Situation) -> SessionState:
        """Obey a key; returns the state before it."""
        before = self._state
        self._state = press(before, key, situation)
        if self._state.message:
            self._message_until = self._clock() + MESSAGE_SECONDS
        return before

    def told(self) -> None:
        """Tell the new state to whoever listens, once everything it asks for is begun."""
        self._on_state(self._state)

    def point(self, x: int, y: int) -> None:
        """Obey the mouse."""
        self._pointer = (x, y)
        self._pointer_until = self._clock() + POINTER_SECONDS

    def say(self, message: str, *, recording: bool | None = None) -> None:
        """Put a message on the screen; where a recording did not begin or go on, take it back."""
        wanted = self._state.recording if recording is None else recording
        self._state = replace(self._state, message=message, recording=wanted)
        self._message_until = self._clock() + MESSAGE_SECONDS

    def tick(self) -> bool:
        """Let messages and the pointer grow old; whether the picture has to be drawn again."""
        now = self._clock()
        again = False
        if self._pointer is not None and now > self._pointer_until:
            self._pointer = None
            again = True
        if self._state.message and now > self._message_until:
            self._state = replace(self._state, message="")
            again = True
        return again

    def is_pending(self, order: Order) -> bool:
        """Whether an explainer that the state asks for is not in use yet."""
        state = self._state
        wanted = (state.layer, state.method, state.scrambled)
        return (order.layer, order.method, order.scrambled) != wanted

    def order(self, current: Order) -> Order:
        """The order that the state asks for; the explainer stays while another is being made."""
        state = self._state
        try:
            trained = self._studio.get(state.layer, method=state.method)
            explainer = self._studio.get(
                state.layer, method=state.method, scrambled=state.scrambled
            )
        except Exception as error:  # the session goes on with what it had
            _logger.warning("cannot make the explainer", exc_info=error)
            self._state = replace(
                state, layer=current.layer, method=current.method, scrambled=current.scrambled
            )
            self.say(f"that cannot be explained: {failure_words(error)}")
            return current
        order = replace(
            current,
            view=state.view,
            mirror=state.mirror,
            mode=state.mode,
            target=state.target,
            pointing=self._pointer is not None,
            frozen=state.frozen,
            steps=state.steps,
            advances=state.advances,
            truth=state.truth or state.scrambled,
        )
        if explainer is None or trained is None:
            return order
        return replace(
            order,
            explainer=explainer,
            trained=trained,
            layer=state.layer,
            method=state.method,
            scrambled=state.scrambled,
        )
