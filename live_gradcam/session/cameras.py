"""The ring of cameras that one key walks through."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from live_gradcam.capture.camera import CameraInfo, list_cameras
from live_gradcam.capture.source import Source


class CameraRing:
    """Opens the next camera of this machine, and after the last one the first.

    Args:
        current: Number, device path or name of the camera that is open.
        open_camera: Opens a camera by number.
        cameras: Lists the cameras; called every time, because they come and go.
    """

    def __init__(
        self,
        current: str,
        open_camera: Callable[[int], Source],
        *,
        cameras: Callable[[], Sequence[CameraInfo]] = list_cameras,
    ) -> None:
        self._current = current.strip()
        self._open = open_camera
        self._cameras = cameras

    def __call__(self) -> Source | None:
        """Open the next camera; ``None`` where there is no other.

        Raises:
            SourceError: It cannot be opened; the next call tries the one after it.
        """
        cameras = self._cameras()
        here = next((c.index for c in cameras if self._is_current(c)), -1)
        later = [camera for camera in cameras if camera.index > here]
        earlier = [camera for camera in cameras if camera.index < here]
        following = next(iter([*later, *earlier]), None)
        if following is None:
            return None
        self._current = str(following.index)
        return self._open(following.index)

    def _is_current(self, camera: CameraInfo) -> bool:
        names = (str(camera.index), camera.path, camera.name.casefold())
        return self._current in names or self._current.casefold() == names[-1]
