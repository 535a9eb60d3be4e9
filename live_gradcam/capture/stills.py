"""Images in memory as a source that plays by itself: each is shown for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from typing_extensions import override

from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError
from live_gradcam.values import Frame, Image, SourceInfo


class StillsSource(Source):
    """Images one after another, as a film that ends with the last one.

    Args:
        images: ``uint8 (H, W, 3)`` BGR each.
        seconds: Time that each of them is shown.
        fps: Frames per second.

    Raises:
        UsageError: There are no images, or no time to show them in.
    """

    def __init__(self, images: Sequence[Image], *, seconds: float = 5.0, fps: float = 10.0) -> None:
        if not images:
            raise UsageError("cannot show images", "", "there are none")
        self._images = tuple(images)
        self._each = round(seconds * fps)
        if self._each < 1:
            raise UsageError("cannot show images", f"{seconds} s at {fps} FPS", "that is no frame")
        self._closed = False
        height, width = images[0].shape[:2]
        self._info = SourceInfo(
            name="stills",
            kind="scene",
            live=False,
            width=width,
            height=height,
            fps=fps,
            frame_count=self._each * len(images),
            duration_seconds=self._each * len(images) / fps,
        )

    @property
    @override
    def info(self) -> SourceInfo:
        return self._info

    @override
    def __iter__(self) -> Iterator[Frame]:
        fps = self._info.fps or 1.0
        for place, image in enumerate(self._images):
            for index in range(place * self._each, (place + 1) * self._each):
                if self._closed:
                    return
                yield Frame(image, index, index / fps, self._info.name)

    @override
    def close(self) -> None:
        self._closed = True
