"""Generated scenes as a source: frames without a camera, with the truth about each."""

from __future__ import annotations

from collections.abc import Iterator

from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError
from live_gradcam.scenes import MovingScene, SceneObject
from live_gradcam.values import Frame, SourceInfo


class SceneSource(Source):
    """A moving scene: one to three objects over a background, replaced every few seconds.

    Objects stay inside the frame's central square, so that every view of the network sees them.

    Args:
        seed: Decides everything.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        fps: Frames per second of the scene's own clock.
        max_frames: Where to end; ``None`` goes on for ever.

    Raises:
        UsageError: A size, the rate or the number of frames is out of range.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        max_frames: int | None = None,
    ) -> None:
        if not 0.1 <= fps <= 1000.0:
            raise UsageError("cannot make a scene", f"fps={fps}", "0.1 to 1000 are possible")
        if max_frames is not None and max_frames < 0:
            raise UsageError(
                "cannot make a scene", f"max_frames={max_frames}", "it must not be negative"
            )
        self._scene = MovingScene(seed, width=width, height=height, fps=fps)
        self._next = 0
        self._closed = False
        self._info = SourceInfo(
            name="scene",
            kind="scene",
            live=False,
            width=width,
            height=height,
            fps=fps,
            frame_count=max_frames,
            duration_seconds=None if max_frames is None else max_frames / fps,
        )

    @property
    def info(self) -> SourceInfo:
        """Size and rate; the number of frames where it is limited."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is left."""
        fps = self._info.fps or 1.0
        while not self._closed and self._next != self._info.frame_count:
            index = self._next
            self._next += 1
            yield Frame(self._scene.render(index), index, index / fps, "scene")

    def close(self) -> None:
        """End the iteration and drop the images that are kept. Idempotent."""
        self._closed = True
        self._scene.release()

    def truth(self, index: int) -> tuple[SceneObject, ...]:
        """Return the objects of a frame, from back to front; costs nothing until it is asked for.

        Args:
            index: `Frame.index` of a frame of this source, delivered or not.
        """
        return self._scene.objects(index)
