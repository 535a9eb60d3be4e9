"""The one place that imports OpenCV and PyAV, in the only order that works.

Importing PyAV before OpenCV makes ``cv2.imshow`` hang for ever: both bring their own copy of
libraries that the window needs. Modules therefore write ``from live_gradcam.native import av, cv2``
(or one of the two) instead of importing them themselves; a test holds this. PyAV is loaded when it
is first asked for: a window that opens at once does without it.

The environment variables below are read by OpenCV while it is loaded and cannot be set later:

* ``OPENCV_FFMPEG_IS_THREAD_SAFE``: without it one blocked network open locks every other capture.
* ``OPENCV_LOG_LEVEL`` and ``OPENCV_FFMPEG_LOGLEVEL``: C++ noise would bury our one-line errors.
* ``OPENCV_VIDEOIO_PRIORITY_OBSENSOR``: probing depth cameras prints errors where there are none.
* ``OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT``: seconds until a hung camera is noticed; it would be ten.

A user's own settings of these variables win.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

for _name, _value in {
    "OPENCV_FFMPEG_IS_THREAD_SAFE": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_VIDEOIO_PRIORITY_OBSENSOR": "0",
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2",
}.items():
    os.environ.setdefault(_name, _value)

import cv2 as cv2

if TYPE_CHECKING:
    import av as av

__all__ = ["av", "cv2"]


def __getattr__(name: str) -> object:
    if name != "av":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import av

    globals()["av"] = av
    return av
