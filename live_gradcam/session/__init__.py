"""A session that somebody watches: newest frame in, explained frame shown, keys obeyed.

From the outside in:

- `start` holds `run_session`; `config` the value that its arguments become.
- `loop` holds everything together in the main thread: it shows, obeys and writes.
- `feeds` gives frames; `cameras` goes from one camera to the next.
- `worker` explains frames in a thread of its own; `request` is what it is asked for and what it
  answers; `explainers` makes those for other layers, methods and weights, if `pools` has others;
  `smoothing` keeps labels and maps steady in time; `truth` tests what is shown.
- `state` is what the person chose; `keys` the table of keys that change it (a row is a
  `key_binding`), `teaching_keys` those of teaching; `controller` keeps it and turns it into
  requests.
- `teaching` is where the loop meets the `teaching_desk`, which follows keys, takes examples and
  puts on the heads that are fitted to them: `learner` keeps frames' features without slowing the
  picture, `taught_pools` has the explainers of every head, `teaching_files` the journal and the
  file at the end, `teaching_words` what the row says.
- `renderer` makes what is on the screen, in the window's size.
- `outputs` writes sinks, recordings and snapshots; `background` runs what must not hold the window
  up; `metrics` measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.session.cameras import CameraRing
    from live_gradcam.session.keys import KEYS, help_groups, help_lines, keys_markdown
    from live_gradcam.session.start import run_session

__all__ = ["KEYS", "CameraRing", "help_groups", "help_lines", "keys_markdown", "run_session"]

# Each part is loaded when it is asked for: a window opens before the rest is there.
__getattr__ = lazy_names(
    __name__,
    {
        "cameras": "CameraRing",
        "keys": "KEYS help_groups help_lines keys_markdown",
        "start": "run_session",
    },
)
