"""The browser's camera: frames are posted, explained frames come back, the newest frame wins.

Each frame is one request whose answer is the rendered frame. It needs no upload, no file and no
queue: a frame that is not the newest when the network is free is answered at once with "no
content". A camera's frames are reachable only through its own unguessable name, in the answer to
its own request.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.faithfulness.removal import Removal, removal_test
from live_gradcam.images import read_image
from live_gradcam.protocol import ExplainerKey
from live_gradcam.show.overlay import paint
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, Image
from live_gradcam.web.engine import Busy, SharedEngine, VisitorExplainer
from live_gradcam.web.images import TOP, draw_overlay, encode_image
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import describe_answer, describe_trust, plain, public_message
from live_gradcam.web.picture_routes import spot_answer
from live_gradcam.web.security import logged_in
from live_gradcam.web.settings import (
    ViewSettings,
    class_choices,
    explainer_key,
    settings_from_query,
)
from live_gradcam.wording import strength

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
        last: The last explained frame, with its explanation and settings.
        measuring: Held while the last frame is tested.
    """

    name: str
    opened_seconds: float
    used_seconds: float
    newest: int = -1
    waiting: int = 0
    method: str = ""
    last: tuple[Image, Explanation, ViewSettings] | None = None
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
    scale: HeatScale = field(default_factory=HeatScale)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    drawing: threading.Lock = field(default_factory=threading.Lock)


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
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._cameras: dict[str, Camera] = {}

    def __len__(self) -> int:
        return len(self._cameras)

    def choice(self, class_index: int) -> tuple[str, str]:
        """Title and name of a class, as of `class_choices`."""
        return class_choices(self._engine.pool.classifier.labels)[class_index]

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
    ) -> tuple[bytes, Explanation, dict[str, Any] | None] | None:
        """Explain one frame.

        Args:
            camera: The camera that the frame comes from.
            number: Rises with every frame of the camera.
            data: The frame as a JPEG, PNG or WebP file.
            settings: Values of the controls; the layer is always the page's own.
            width: Width in which the frame is shown, in pixels; its own if ``None``.
            spot: Column and row, 0..1, of a spot that is to say what it says about the classes.

        Returns:
            The rendered frame as a JPEG file, the explanation, and what the spot says as
            `spot_answer` has it; ``None`` where a newer frame of
            the same camera arrived before the network was free.

        Raises:
            LiveGradcamError: The frame is no image, or the class or the method is unknown.
        """
        pool = self._engine.pool
        wanted = settings.class_index(pool.classifier)
        key = explainer_key(pool, method=settings.method)
        camera.newest = max(camera.newest, number)
        if camera.waiting >= _AT_WORK:
            return None
        camera.waiting += 1
        try:
            image = await anyio.to_thread.run_sync(self._decode, data)
            async with camera.turn:
                if number < camera.newest:
                    return None
                submit = partial(
                    self._engine.submit, camera.name, image, view=settings.view, key=key
                )
                if spot is None:
                    explanation = maps = await asyncio.wrap_future(submit(classes=wanted))
                else:
                    explanation, maps = await self._ask(submit, wanted, key)
            camera.last = (image, explanation, settings)
            votes = _votes(spot, maps, explanation.explained[0], image) if spot else None
            wide = min(width or image.shape[1], self._limits.camera_width)
            drawn = await anyio.to_thread.run_sync(
                _draw, camera, image, explanation, settings, wide
            )
        finally:
            camera.waiting -= 1
        return drawn, explanation, votes

    async def _ask(
        self, submit: Callable[..., Future[Explanation]], wanted: int | None, key: ExplainerKey
    ) -> tuple[Explanation, Explanation]:
        """The shown map, and the maps that a spot is asked about, which it is one of."""
        # The network's own layer is cut already: this needs no turn.
        cheap = self._engine.pool.all_maps_are_cheap(key)
        if wanted is None:
            maps = await asyncio.wrap_future(submit(classes="all" if cheap else "top"))
            return maps.with_classes([maps.predictions[0].class_index]), maps
        # How likely an unlikely class is, is known only where it is asked for by itself.
        shown = await asyncio.wrap_future(submit(classes=wanted))
        listed = [each.class_index for each in shown.predictions]
        return shown, await asyncio.wrap_future(submit(classes="all" if cheap else listed))

    async def judge(self, camera: Camera) -> str:
        """Test whether the coloured places of the last frame matter; a sentence in Markdown.

        Raises:
            Busy: The last test of this camera is not over.
        """
        if camera.last is None or camera.measuring.locked():
            raise Busy("cannot test the frame", cause="there is none, or one is being tested")
        async with camera.measuring:
            image, explanation, settings = camera.last
            cheapest = self._engine.pool.key(method="gradcam")
            explainer = VisitorExplainer(
                self._engine, f"removal {camera.name}", settings.view, cheapest
            )

            def measure() -> Removal | None:
                return removal_test(
                    explainer, image, explanation, view=settings.view, at_once=_TESTED_AT_ONCE
                )

            return describe_trust(
                await anyio.to_thread.run_sync(measure), numbers=False, area="the hottest area"
            )

    async def snapshot(self, camera: Camera) -> bytes | None:
        """The last frame as a PNG file with labels and legend; ``None`` where there is none."""
        if camera.last is None:
            return None
        image, explanation, settings = camera.last
        drawn = await anyio.to_thread.run_sync(draw_overlay, image, explanation, settings)
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


def camera_routes(service: CameraService, limits: Limits) -> list[Route]:
    """Addresses that the page's script talks to."""
    minutes = round(limits.camera_seconds / 60)
    over = (
        f"The camera was stopped: it sent nothing for {limits.camera_idle_seconds:.0f} seconds, or "
        f"ran for {minutes} minutes. Start it again."
    )

    async def start(request: Request) -> Response:
        if not await logged_in(request):
            return _sentence(401, "Log in first.")
        try:
            camera = service.start()
        except Busy as busy:
            return _sentence(503, str(busy))
        return JSONResponse({"camera": camera.name, "seconds": limits.camera_seconds})

    async def frame(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        if camera is None:
            return _sentence(410, over)
        data = await _body(request, limits.frame_bytes)
        if data is None:
            return _sentence(413, "The frame is too large.")
        try:
            number = int(request.query_params["n"])
            settings = settings_from_query(request.query_params)
            width, spot = _wishes(request.query_params)
        except (UsageError, ValueError, KeyError):
            return _sentence(400, "The settings are not understood.")
        try:
            shown = await service.explain(camera, number, data, settings, width=width, spot=spot)
        except LiveGradcamError as error:
            return _sentence(422, public_message(error))
        if shown is None:
            return Response(status_code=204)
        rendered, explanation, votes = shown
        summary = {**_summary(explanation, service.choice), "spot": votes}
        headers = {"x-explanation": quote(json.dumps(summary)), **_PRIVATE}
        return Response(rendered, media_type="image/jpeg", headers=headers)

    async def verdict(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        if camera is None:
            return _sentence(410, over)
        about = "" if camera.last is None else service.choice(camera.last[1].explained[0])[1]
        try:
            found = {"verdict": plain(await service.judge(camera)), "about": about}
            return JSONResponse(found, headers=_PRIVATE)
        except Busy:
            return Response(status_code=204)
        except LiveGradcamError as error:
            return _sentence(422, public_message(error))

    async def snapshot(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        data = await service.snapshot(camera) if camera is not None else None
        if data is None:
            return _sentence(410, over)
        return Response(data, media_type="image/png", headers=_PRIVATE)

    async def stop(request: Request) -> Response:
        service.stop(request.path_params["name"])
        return Response(status_code=204)

    return [
        Route("/live/camera", start, methods=["POST"]),
        Route("/live/camera/{name}", frame, methods=["POST"]),
        Route("/live/camera/{name}/verdict", verdict, methods=["POST"]),
        Route("/live/camera/{name}/snapshot.png", snapshot, methods=["GET"]),
        Route("/live/camera/{name}/stop", stop, methods=["POST"]),
    ]


_PRIVATE = {"cache-control": "no-store"}


def _sentence(status: int, text: str) -> Response:
    return JSONResponse({"detail": text}, status_code=status, headers=_PRIVATE)


def _wishes(query: Mapping[str, str]) -> tuple[int | None, tuple[float, float] | None]:
    """The width of the answer, and the spot that is asked.

    Raises:
        ValueError: One of them is none.
    """
    width = int(query["width"]) if "width" in query else None
    if width is not None and not 1 <= width <= 100_000:
        raise ValueError("no such width")
    if "x" not in query or "y" not in query:
        return width, None
    x, y = float(query["x"]), float(query["y"])
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError("no such spot")
    return width, (x, y)


async def _body(request: Request, limit: int) -> bytes | None:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            return None
    return bytes(parts)


def _summary(explanation: Explanation, choice: Callable[[int], tuple[str, str]]) -> dict[str, Any]:
    return {
        "sentence": plain(describe_answer(explanation)),
        "explained": choice(explanation.explained[0])[1],
        "predictions": [
            {
                "label": choice(each.class_index)[0],
                "name": choice(each.class_index)[1],
                "probability": None if each.probability is None else round(each.probability, 4),
                "strength": strength(each.strength, is_share=each.probability is not None),
            }
            for each in explanation.predictions[:TOP]
        ],
        "network_ms": round(explanation.timings_ms.get("explain", 0.0), 2),
    }
