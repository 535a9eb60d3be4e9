"""A row of the table of keys: the keys, what people read, and what they do to the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from live_gradcam.session.state import SessionState, Situation

Change: TypeAlias = Callable[[SessionState, Situation, str], SessionState]
"""Makes the new state from the old one, the situation and the key."""

KeyGroup: TypeAlias = Literal["question", "network", "teaching", "look", "time", "session"]
"""What a key is about."""


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """One row of the table.

    Attributes:
        keys: Names of the keys, as `KeyPressed` gives them.
        shown: The keys as people read them.
        help: Description of its effect, in a few words.
        change: Its effect.
        group: The heading that the help lists it under.
        ends: It ends the session.
        expert: It asks for what visitors of a kiosk have no use for. A session that nobody may end
            has no such key, nor one that ends it.
    """

    keys: tuple[str, ...]
    shown: str
    help: str
    change: Change
    group: KeyGroup
    ends: bool = False
    expert: bool = False

    def is_for(self, *, visitors: bool) -> bool:
        """True if those who are there may press it."""
        return not visitors or not (self.ends or self.expert)
