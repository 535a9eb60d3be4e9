"""Frames come in: cameras, streams, video files, images and generated scenes. Never torch.

==================  ===========================================================================
`open`              `open_source`: one string names a source
`source`            the contract of sources
`camera`            cameras
`stream`            network streams
`live`              the reader that cameras and streams share
`mailbox`           the slot that keeps its newest image
`probe`             cheap probes of a server that is away
`freeze_detector`   frozen and black images of a camera
`address`           is an address a film or a stream
`video`             films
`medium`            what a film is read from: a file, an address, a pipe
`decoder`           one pass through a film with FFmpeg
`film_streams`      which of several video streams is the film
`timeline`          timestamps of a film
`deinterlace`       interlaced frames to whole ones
`conversion`        decoded frames to upright BGR images
`scaler`            libav's scale filter
`colour`            high dynamic range and wide gamuts to SDR BT.709
`pipes`             standard input and named pipes
`images`            image files, folders and patterns
`pattern`           numbered image files
`animation`         animated images that FFmpeg does not read
`scene`             generated scenes
==================  ===========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.capture.camera import CameraInfo, CameraSource, list_cameras
    from live_gradcam.capture.images import ImagesSource
    from live_gradcam.capture.live import Connection, ConnectionLost, LivePolicy, LiveReader
    from live_gradcam.capture.open import open_source, source_files
    from live_gradcam.capture.scene import SceneSource
    from live_gradcam.capture.source import LiveSource, LiveState, Source
    from live_gradcam.capture.stream import StreamSource
    from live_gradcam.capture.video import VideoSource

__all__ = [
    "CameraInfo",
    "CameraSource",
    "Connection",
    "ConnectionLost",
    "ImagesSource",
    "LivePolicy",
    "LiveReader",
    "LiveSource",
    "LiveState",
    "SceneSource",
    "Source",
    "StreamSource",
    "VideoSource",
    "list_cameras",
    "open_source",
    "source_files",
]

# Each part is loaded when it is asked for: a window opens before the rest is there.
__getattr__ = lazy_names(
    __name__,
    {
        "camera": "CameraInfo CameraSource list_cameras",
        "images": "ImagesSource",
        "live": "Connection ConnectionLost LivePolicy LiveReader",
        "open": "open_source source_files",
        "scene": "SceneSource",
        "source": "LiveSource LiveState Source",
        "stream": "StreamSource",
        "video": "VideoSource",
    },
)
