"""A page that is served until somebody ends it."""

from __future__ import annotations

import sys
import webbrowser

from live_gradcam.cli.console import Console
from live_gradcam.lifecycle import StopToken

_WAIT_SECONDS = 0.5


def stay_until_stopped(
    console: Console, stop: StopToken, address: str, *, in_browser: bool
) -> None:
    """Open a page whose address is printed already, and wait.

    Args:
        console: Says how it ends.
        stop: Of `live_gradcam.lifecycle.cooperative`.
        address: Of the page.
        in_browser: Open it in the user's browser.
    """
    sys.stdout.flush()  # whoever started it through a pipe waits for its address
    console.note("Ctrl-C ends it.")
    if in_browser and not open_browser(address):
        console.note("no browser was found to open it in")
    while not stop.wait(_WAIT_SECONDS):
        pass


def open_browser(address: str) -> bool:
    """Open the page in the user's browser; returns False where there is none with a window."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # A browser in the terminal would take the terminal over.
    generic = isinstance(browser, webbrowser.GenericBrowser)
    has_window = not generic or isinstance(browser, webbrowser.BackgroundBrowser)
    return has_window and browser.open(address)
