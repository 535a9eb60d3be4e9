"""The time before a session: a window that lives while what it needs is loaded beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from live_gradcam.session.keys import QUIT_KEYS
from live_gradcam.show.loading import draw_loading
from live_gradcam.show.window import Closed, Event, KeyPressed, Window
from live_gradcam.workers import release_when_done, run_in_thread

T = TypeVar("T")

_FRAME_MS = 30


def load_in_window(
    window: Window,
    load: Callable[[], T],
    *,
    text: str,
    may_quit: bool = True,
    abandon: Callable[[T], None],
) -> T | None:
    """Load something in a thread of its own, and say so in the window meanwhile.

    Args:
        window: Belongs to the caller's thread; is neither opened nor closed here.
        load: Makes the result.
        text: What is being loaded, in a few words.
        may_quit: The person may leave by a key.
        abandon: Releases what was loaded after the person has left.

    Returns:
        What ``load`` returns; ``None`` if the person closed the window or pressed a key that quits.

    Raises:
        Exception: What ``load`` raises.
    """
    began = time.monotonic()
    first = draw_loading(window.size, text, 0.0)
    window.show(first)
    # The toolkit paints a new window empty once; what loads would keep it so for longer.
    if any(_leaves(event, may_quit=may_quit) for event in window.poll()):
        return None
    window.show(first)
    future = run_in_thread("load", load)
    try:
        while not future.done():
            if any(_leaves(event, may_quit=may_quit) for event in window.poll(_FRAME_MS)):
                release_when_done(future, abandon)
                return None
            window.show(draw_loading(window.size, text, time.monotonic() - began))
    except BaseException:
        release_when_done(future, abandon)
        raise
    return future.result()


def _leaves(event: Event, *, may_quit: bool) -> bool:
    if isinstance(event, Closed):
        return True
    return may_quit and isinstance(event, KeyPressed) and event.key in QUIT_KEYS
