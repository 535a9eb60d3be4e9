"""Addresses of a remembered picture: drawn for a screen, spots of it, and what can be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError
from live_gradcam.show.votes import Spot
from live_gradcam.web.image_cache import CachedImage
from live_gradcam.web.images import (
    ImageService,
    draw_at_width,
    draw_map,
    draw_overlay,
    encode_image,
)
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import describe_spot, public_message
from live_gradcam.web.settings import ViewSettings, settings_from_query

_QUALITY = 90
_MAP = re.compile(r"map-(\d)\.jpg")
# Drawing for a large screen takes a whole core: what waits, waits outside.
_AT_ONCE = 3

_Make = Callable[[CachedImage, ViewSettings, Any], Response]


def picture_routes(service: ImageService, limits: Limits) -> list[Route]:
    """Addresses below ``live/picture/TOKEN/``, made when asked for, never stored.

    ==================  ========================================================================
    ``overlay.jpg``     the explained picture, ``width`` pixels wide, without words in it; with
                        ``mark=1`` the area that the removal test hides is marked
    ``map-0.jpg``       what the network saw with the map of the best class, and so on
    ``spot.json``       what the spot ``x``, ``y`` (0..1) says about the classes
    ``overlay.png``     the explained picture in its own size, with words
    ``record.json``     everything that is known about it
    ==================  ========================================================================
    """

    def wanted_width(query: Any) -> int:  # noqa: ANN401
        width = int(query.get("width", 640))
        if not 1 <= width <= limits.drawn_side:
            raise ValueError(f"no such width: {width}")
        return width

    def shown(cached: CachedImage, settings: ViewSettings, query: Any) -> Response:  # noqa: ANN401
        explanation = service.explain(cached, settings)
        width = wanted_width(query)
        drawn = draw_at_width(
            cached.image,
            explanation,
            settings,
            width,
            limits.drawn_side,
            mark=query.get("mark") == "1",
        )
        return _jpeg(drawn)

    def spot(cached: CachedImage, settings: ViewSettings, query: Any) -> Response:  # noqa: ANN401
        x, y = (float(query[name]) for name in ("x", "y"))
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError("no such spot")
        found = service.spot(cached, settings, x, y)
        height, width = cached.image.shape[:2]
        return JSONResponse(spot_answer(found, width, height))

    def overlay(cached: CachedImage, settings: ViewSettings, _query: Any) -> Response:  # noqa: ANN401
        drawn = draw_overlay(cached.image, service.explain(cached, settings), settings)
        return Response(encode_image(drawn, ".png"), media_type="image/png")

    def record(cached: CachedImage, settings: ViewSettings, _query: Any) -> Response:  # noqa: ANN401
        text = json.dumps(service.record(cached, settings), ensure_ascii=False, indent=2)
        return Response(text, media_type="application/json")

    def one_map(place: int) -> _Make:
        def make(cached: CachedImage, settings: ViewSettings, query: Any) -> Response:  # noqa: ANN401
            explanations = service.explain_top(cached, settings)
            if place >= len(explanations):
                raise ValueError("no such map")
            width = wanted_width(query)
            return _jpeg(draw_map(cached.image, explanations, place, settings, width=width))

        return make

    kinds: dict[str, _Make] = {
        "overlay.jpg": shown,
        "spot.json": spot,
        "overlay.png": overlay,
        "record.json": record,
    }
    room: list[anyio.CapacityLimiter] = []  # belongs to the event loop, which begins later

    async def answer(request: Request) -> Response:
        kind = request.path_params["kind"]
        cached = service.find_token(request.path_params["token"])
        found = _MAP.fullmatch(kind)
        make = one_map(int(found[1])) if found else kinds.get(kind)
        if cached is None or make is None:
            return JSONResponse({"detail": "This picture is not kept any more."}, status_code=404)
        if not room:
            room.append(anyio.CapacityLimiter(_AT_ONCE))
        try:
            settings = settings_from_query(request.query_params)
            response = await anyio.to_thread.run_sync(
                make, cached, settings, request.query_params, limiter=room[0]
            )
        except LiveGradcamError as error:
            return JSONResponse({"detail": public_message(error)}, status_code=422)
        except (KeyError, ValueError):
            return JSONResponse({"detail": "The settings are not understood."}, status_code=400)
        response.headers["cache-control"] = "no-store"
        return response

    async def example(request: Request) -> Response:
        place = request.path_params["place"]
        if not 0 <= place < len(service.examples):
            return JSONResponse({"detail": "There is no such example."}, status_code=404)
        try:
            width = min(wanted_width(request.query_params), 640)
        except ValueError:
            return JSONResponse({"detail": "The settings are not understood."}, status_code=400)
        return _jpeg(service.thumbnail(place, width))

    return [
        Route("/live/picture/{token}/{kind}", answer, methods=["GET"]),
        Route("/live/example/{place:int}.jpg", example, methods=["GET"]),
    ]


def spot_answer(spot: Spot | None, width: int, height: int) -> dict[str, Any]:
    """What the page's script shows of a spot: a sentence, and the place that it is about.

    Args:
        spot: What was asked; ``None`` beside what the network sees.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    cell = None
    if spot is not None:
        x, y, across, down = spot.cell.as_list()
        cell = [x / width, y / height, across / width, down / height]
    return {"text": describe_spot(spot), "cell": cell}


def _jpeg(image: Any) -> Response:  # noqa: ANN401
    return Response(encode_image(image, ".jpg", quality=_QUALITY), media_type="image/jpeg")
