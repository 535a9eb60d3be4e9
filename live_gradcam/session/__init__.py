"""A session that somebody watches: newest frame in, explained picture shown, keys obeyed.

`state` is what the person chose, `keys` how keys change it, `feeds` where frames come from,
`analyst` the thread that explains them, `steady` what keeps pictures calm, `presenter` what is on
the screen, `studio` the explainers for other layers and weights, `outputs` what is left behind,
`tally` what is measured, `loop` what holds it all together, and `start` how it begins.
"""

from __future__ import annotations

from live_gradcam.session.cameras import CameraRing
from live_gradcam.session.keys import KEYS, help_lines, keys_markdown
from live_gradcam.session.start import run_session

__all__ = ["KEYS", "CameraRing", "help_lines", "keys_markdown", "run_session"]
