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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError, SourceError, UsageError
from live_gradcam.images import read_image
from live_gradcam.painter import Painter
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Explanation, Image
from live_gradcam.web.engine import Busy, SharedEngine
from live_gradcam.web.images import TOP, encode_image
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import public_message
from live_gradcam.web.settings import ViewSettings, explainer_key, settings_from_query
from live_gradcam.wording import strength

_JPEG_QUALITY = 80
# One is decoded, one explained, one rendered; one more makes up for jitter.
_AT_WORK = 4


def _new_painter() -> Painter:
    return Painter(OverlayOptions(), moving=True)


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
    """

    name: str
    opened_seconds: float
    used_seconds: float
    newest: int = -1
    waiting: int = 0
    method: str = ""
    painter: Painter = field(default_factory=_new_painter)
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
        self, camera: Camera, number: int, data: bytes, settings: ViewSettings
    ) -> tuple[bytes, Explanation] | None:
        """Explain one frame.

        Args:
            camera: The camera that the frame comes from.
            number: Rises with every frame of the camera.
            data: The frame as a JPEG, PNG or WebP file.
            settings: Values of the controls; the layer is always the page's own.

        Returns:
            The rendered frame as a JPEG file and the explanation; ``None`` where a newer frame of
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
                result = self._engine.submit(
                    camera.name, image, classes=wanted, view=settings.view, key=key
                )
                explanation = await asyncio.wrap_future(result)
            drawn = await anyio.to_thread.run_sync(_draw, camera, image, explanation, settings)
        finally:
            camera.waiting -= 1
        return drawn, explanation

    def _decode(self, data: bytes) -> Image:
        image = read_image(data)
        side = max(image.shape[:2])
        if side > self._limits.frame_side:
            cause = f"a frame of {image.shape[1]}x{image.shape[0]} is too large"
            raise SourceError("cannot show the camera", "", cause)
        return image


def _draw(camera: Camera, image: Image, explanation: Explanation, settings: ViewSettings) -> bytes:
    with camera.drawing:
        if explanation.method != camera.method:  # another method, another scale
            camera.painter, camera.method = _new_painter(), explanation.method
        camera.painter.options = settings.overlay_options(top_k=TOP, show_labels=False)
        rendered = camera.painter.paint(image, explanation)
    return encode_image(rendered, ".jpg", quality=_JPEG_QUALITY)


def camera_routes(service: CameraService, limits: Limits) -> list[Route]:
    """Addresses that the page's script talks to."""

    async def start(request: Request) -> Response:
        if not await _logged_in(request):
            return _sentence(401, "Log in first.")
        try:
            camera = service.start()
        except Busy as busy:
            return _sentence(503, str(busy))
        return JSONResponse({"camera": camera.name, "seconds": limits.camera_seconds})

    async def frame(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        if camera is None:
            minutes = round(limits.camera_seconds / 60)
            return _sentence(410, f"The camera stops after {minutes} minutes. Start it again.")
        data = await _body(request, limits.frame_bytes)
        if data is None:
            return _sentence(413, "The frame is too large.")
        try:
            number = int(request.query_params["n"])
            settings = settings_from_query(request.query_params)
        except (UsageError, ValueError, KeyError):
            return _sentence(400, "The settings are not understood.")
        try:
            shown = await service.explain(camera, number, data, settings)
        except LiveGradcamError as error:
            return _sentence(422, public_message(error))
        if shown is None:
            return Response(status_code=204)
        rendered, explanation = shown
        headers = {"x-explanation": quote(json.dumps(_summary(explanation))), **_PRIVATE}
        return Response(rendered, media_type="image/jpeg", headers=headers)

    async def stop(request: Request) -> Response:
        service.stop(request.path_params["name"])
        return Response(status_code=204)

    return [
        Route("/live/camera", start, methods=["POST"]),
        Route("/live/camera/{name}", frame, methods=["POST"]),
        Route("/live/camera/{name}/stop", stop, methods=["POST"]),
    ]


_PRIVATE = {"cache-control": "no-store"}


def _sentence(status: int, text: str) -> Response:
    return JSONResponse({"detail": text}, status_code=status, headers=_PRIVATE)


async def _logged_in(request: Request) -> bool:
    """True if Gradio's own login lets this visitor in; without a password it always does."""
    transport = httpx.ASGITransport(app=request.app)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in ("host", "cookie", "x-forwarded-host", "x-forwarded-proto")
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        answer = await client.get("/gradio_api/login_check", headers=headers)
    return answer.status_code == httpx.codes.OK


async def _body(request: Request, limit: int) -> bytes | None:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            return None
    return bytes(parts)


def _summary(explanation: Explanation) -> dict[str, Any]:
    return {
        "explained": explanation.labels[0] if explanation.labels else "",
        "predictions": [
            {
                "label": each.label,
                "probability": None if each.probability is None else round(each.probability, 4),
                "strength": strength(each.strength, is_share=each.probability is not None),
            }
            for each in explanation.predictions[:TOP]
        ],
        "network_ms": round(explanation.timings_ms.get("explain", 0.0), 2),
    }
