"""Explanations become images: overlays, windows, videos, image files and records. Never torch.

===============  ==============================================================================
`overlay`        an explanation drawn on a copy of an image: `draw`, `draw_mosaic`
`options`        options of overlays, and the figures and messages on them
`heat`           evidence becomes colour
`scale`          the colour scale of frames that follow each other
`scene`          the pictures on a canvas, before anything is written on them
`layout`         where everything stands: sizes and places, and nothing drawn
`pieces`         what is written: which pieces there are in each layout, and what they say
`panel`          a piece of text, laid out and measured
`labels`         the best classes, as a panel
`panels`         legend, recording, captions
`help`           the keys in columns
`text`           strips of type, rendered once
`fonts`          a face for every script
`votes`          the classes that one spot speaks for and against
`window`         a window and its events
`loading`        the screen before there is anything to explain
`display`        the check for a display before there is a window
`open`           `open_sink`: one string names an output
`sink`           the contract of outputs
`recorder`       video files
`sound`          their sound, copied from the source
`atomic_file`    a file that is good after every commit
`images`         image files
`records`        JSON lines and CSV
`memory`         a sink for tests and notebooks
===============  ==============================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.show.images import FolderSink, ImageSink, write_image
    from live_gradcam.show.memory import MemorySink
    from live_gradcam.show.open import open_sink, validate_outputs
    from live_gradcam.show.options import LOW_CONFIDENCE, HelpGroup, Hud, MarkedArea, OverlayOptions
    from live_gradcam.show.overlay import draw, draw_mosaic, locate
    from live_gradcam.show.recorder import VideoSink
    from live_gradcam.show.records import RecordSink, record
    from live_gradcam.show.scale import HeatScale
    from live_gradcam.show.sink import Sink, closing_sinks
    from live_gradcam.show.votes import Spot, spot_at
    from live_gradcam.show.window import Closed, KeyPressed, MouseMoved, Window, probe_display

__all__ = [
    "LOW_CONFIDENCE",
    "Closed",
    "FolderSink",
    "HeatScale",
    "HelpGroup",
    "Hud",
    "ImageSink",
    "KeyPressed",
    "MarkedArea",
    "MemorySink",
    "MouseMoved",
    "OverlayOptions",
    "RecordSink",
    "Sink",
    "Spot",
    "VideoSink",
    "Window",
    "closing_sinks",
    "draw",
    "draw_mosaic",
    "locate",
    "open_sink",
    "probe_display",
    "record",
    "spot_at",
    "validate_outputs",
    "write_image",
]

# Each part is loaded when it is asked for: a window opens before the rest is there.
__getattr__ = lazy_names(
    __name__,
    {
        "images": "FolderSink ImageSink write_image",
        "memory": "MemorySink",
        "open": "open_sink validate_outputs",
        "options": "LOW_CONFIDENCE HelpGroup Hud MarkedArea OverlayOptions",
        "overlay": "draw draw_mosaic locate",
        "recorder": "VideoSink",
        "records": "RecordSink record",
        "scale": "HeatScale",
        "sink": "Sink closing_sinks",
        "votes": "Spot spot_at",
        "window": "Closed KeyPressed MouseMoved Window probe_display",
    },
)
