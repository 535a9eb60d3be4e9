"""The web page: an image, a video or the browser's camera, explained. Gradio is used only here.

From what is asked to what is answered:

* `limits`, `settings`: what visitors may ask for, and what the page's controls can say.
* `security`: guards every request before Gradio sees it. `cache`: the folder of uploaded files.
* `engine`: one network for all visitors, in one thread.
* `images`, `camera`, `teaching`, `videos`: the work of the four tabs, each with its own addresses.
* `looks`, `lesson_looks`: what explains a camera's frames, and what a visitor has taught.
* `messages`, `lesson_words`: sentences for visitors.
* `handlers`, `api`: the events of the page, and the functions for programs.
* `page`, `live_tabs`, `controls`, ``page.css``, ``camera.js``, ``teach.js``: the layout.
* `state`: all services together. `server`: the page on the network. `space`: as a public Space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.web.limits import Limits
    from live_gradcam.web.security import parse_auth
    from live_gradcam.web.server import serving
    from live_gradcam.web.state import AppState

__all__ = ["AppState", "Limits", "parse_auth", "serving"]

__getattr__ = lazy_names(
    __name__,
    {"limits": "Limits", "security": "parse_auth", "server": "serving", "state": "AppState"},
)
