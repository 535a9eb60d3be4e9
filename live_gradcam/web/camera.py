"""The browser's camera: frames are posted, explained frames come back, the newest frame wins.

Each frame is one request whose answer is the rendered frame. It needs no upload, no file and no
queue: a frame that is not the newest when the network is free is answered at once with "no
content". A camera's frames are reachable only through its own unguessable name, in the answer to
its own request.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from live_gradcam.errors import SourceError
from live_gradcam.faithfulness.removal import Removal, removal_test
from live_gradcam.images import read_image
from live_gradcam.show.overlay import paint
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, Image
from live_gradcam.web.engine import Busy, SharedEngine
from live_gradcam.web.images import draw_overlay, encode_image
from live_gradcam.web.limits import Limits
from live_gradcam.web.looks import Look, Looker, NetworkLooker
from live_gradcam.web.messages import describe_trust
from live_gradcam.web.picture_routes import spot_answer
from live_gradcam.web.settings import ViewSettings, class_choices

_JPEG_QUALITY = 80
# One is decoded, one explained, one rendered; one more makes up for jitter.
_AT_WORK = 4
_TESTED_AT_ONCE = 2


@dataclass(slots=True, eq=False)
class Camera:
    """One visitor's running camera.

    Attributes:
        name: Unguessable; the camera is addressed by it.
        opened_seconds: Time at which it was started, monotonic.
        used_seconds: Time at which it last sent something, monotonic.
        newest: Number of the newest frame that arrived.
        waiting: Number of frames that are being worked on.
        method: Name of the method of the last drawn map.
        last: The last explained frame, with what the network made of it, and its settings.
        measuring: Held while the last frame is tested.
    """

    name: str
    opened_seconds: float
    used_seconds: float
    newest: int = -1
    waiting: int = 0
    method: str = ""
    last: tuple[Image, Look, ViewSettings] | None = None
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
    scale: HeatScale = field(default_factory=HeatScale)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    drawing: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, eq=False)
class ShownFrame:
    """A frame as it is shown.

    Attributes:
        rendered: A JPEG file.
        explanation: With the map that is drawn.
        labels: Of all classes that the network could have said.
        spot: What the asked spot says, as `spot_answer` has it.
    """

    rendered: bytes
    explanation: Explanation
    labels: tuple[str, ...]
    spot: dict[str, Any] | None = None

    def choice(self, class_index: int) -> tuple[str, str]:
        """Title and name of a class, as of `class_choices`."""
        return class_choices(self.labels)[class_index]


class CameraService:
    """Running cameras, bounded in number and time. Used from the server's event loop only.

    Args:
        engine: Shared by all visitors.
        limits: Bounds of the page.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, engine: SharedEngine, limits: Limits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._network = NetworkLooker(engine)
        self._limits = limits
        self._clock = clock
        self._cameras: dict[str, Camera] = {}

    def __len__(self) -> int:
        return len(self._cameras)

    def start(self) -> Camera:
        """Start a camera.

        Raises:
            Busy: As many as possible are running.
        """
        now = self._clock()
        for camera in list(self._cameras.values()):
            if self._over(camera, now):
                del self._cameras[camera.name]
        if len(self._cameras) >= self._limits.cameras:
            cause = f"{self._limits.cameras} cameras are running already"
            raise Busy("cannot start the camera", cause=cause, next_step="Try again in a minute")
        camera = Camera(secrets.token_urlsafe(24), now, now)
        self._cameras[camera.name] = camera
        return camera

    def stop(self, name: str) -> None:
        """Forget a camera."""
        self._cameras.pop(name, None)

    def find(self, name: str) -> Camera | None:
        """The running camera of this name; ``None`` if there is none, or its time is over."""
        camera = self._cameras.get(name)
        if camera is None:
            return None
        now = self._clock()
        if self._over(camera, now):
            self.stop(name)
            return None
        camera.used_seconds = now
        return camera

    def _over(self, camera: Camera, now: float) -> bool:
        return (
            now - camera.opened_seconds > self._limits.camera_seconds
            or now - camera.used_seconds > self._limits.camera_idle_seconds
        )

    async def explain(
        self,
        camera: Camera,
        number: int,
        data: bytes,
        settings: ViewSettings,
        *,
        width: int | None = None,
        spot: tuple[float, float] | None = None,
        looker: Looker | None = None,
    ) -> ShownFrame | None:
        """Explain one frame.

        Args:
            camera: The camera that the frame comes from.
            number: Rises with every frame of the camera.
            data: The frame as a JPEG, PNG or WebP file.
            settings: Values of the controls; the layer is always the page's own.
            width: Width in which the frame is shown, in pixels; its own if ``None``.
            spot: Column and row, 0..1, of a spot that is to say what it says about the classes.
            looker: Explains it; the page's own network if ``None``.

        Returns:
            The frame as it is shown; ``None`` where a newer frame of the same camera arrived before
            the network was free.

        Raises:
            LiveGradcamError: The frame is no image, or the class or the method is unknown.
        """
        looker = looker or self._network
        looker.check(settings)
        camera.newest = max(camera.newest, number)
        if camera.waiting >= _AT_WORK:
            return None
        camera.waiting += 1
        try:
            image = await anyio.to_thread.run_sync(self._decode, data)
            async with camera.turn:
                if number < camera.newest:
                    return None
                look = await looker.look(camera.name, image, settings, ask=spot is not None)
            camera.last = (image, look, settings)
            shown = look.shown
            votes = _votes(spot, look.maps, shown.explained[0], image) if spot else None
            wide = min(width or image.shape[1], self._limits.camera_width)
            drawn = await anyio.to_thread.run_sync(_draw, camera, image, shown, settings, wide)
        finally:
            camera.waiting -= 1
        return ShownFrame(drawn, shown, look.labels, votes)

    async def judge(self, camera: Camera) -> tuple[str, str]:
        """Test whether the coloured places of the last frame matter.

        Returns:
            A sentence in Markdown, and the name of the class that it is about.

        Raises:
            Busy: The last test of this camera is not over.
        """
        if camera.last is None or camera.measuring.locked():
            raise Busy("cannot test the frame", cause="there is none, or one is being tested")
        async with camera.measuring:
            image, look, settings = camera.last

            def measure() -> Removal | None:
                return removal_test(
                    look.explainer, image, look.shown, view=settings.view, at_once=_TESTED_AT_ONCE
                )

            found = await anyio.to_thread.run_sync(measure)
            sentence = describe_trust(found, numbers=False, area="the hottest area")
            return sentence, class_choices(look.labels)[look.shown.explained[0]][1]

    async def snapshot(self, camera: Camera) -> bytes | None:
        """The last frame as a PNG file with labels and legend; ``None`` where there is none."""
        if camera.last is None:
            return None
        image, look, settings = camera.last
        drawn = await anyio.to_thread.run_sync(draw_overlay, image, look.shown, settings)
        return encode_image(drawn, ".png")

    def _decode(self, data: bytes) -> Image:
        image = read_image(data)
        side = max(image.shape[:2])
        if side > self._limits.frame_side:
            cause = f"a frame of {image.shape[1]}x{image.shape[0]} is too large"
            raise SourceError("cannot show the camera", "", cause)
        return image


def _votes(
    spot: tuple[float, float], maps: Explanation, shown: int, image: Image
) -> dict[str, Any]:
    height, width = image.shape[:2]
    x, y = min(int(spot[0] * width), width - 1), min(int(spot[1] * height), height - 1)
    return spot_answer(spot_at(maps, x, y, shown=shown), width, height)


def _draw(
    camera: Camera, image: Image, explanation: Explanation, settings: ViewSettings, width: int
) -> bytes:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    with camera.drawing:
        if explanation.method != camera.method:  # another method, another scale
            camera.scale, camera.method = HeatScale(), explanation.method
        options = settings.overlay_options(scale=camera.scale.update(explanation, signed=False))
        drawn = paint(image, explanation, options=options, size=(width, height)).image
    return encode_image(drawn, ".jpg", quality=_JPEG_QUALITY)
