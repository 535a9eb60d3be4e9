"""Addresses of running cameras: frames are posted, explained ones come back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError, UsageError
from live_gradcam.web.answers import PRIVATE, body_of, refuse
from live_gradcam.web.camera import CameraService, ShownFrame
from live_gradcam.web.engine import Busy
from live_gradcam.web.images import TOP
from live_gradcam.web.lesson_looks import LessonLooker
from live_gradcam.web.lesson_routes import over_sentence
from live_gradcam.web.lesson_words import lesson_counts
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import describe_answer, plain, public_message
from live_gradcam.web.security import logged_in
from live_gradcam.web.settings import settings_from_query
from live_gradcam.web.teaching import TeachingService
from live_gradcam.wording import strength


def camera_routes(
    service: CameraService, limits: Limits, lessons: TeachingService | None = None
) -> list[Route]:
    """Addresses that the page's script talks to.

    Args:
        service: Does the work.
        limits: Bounds of the page.
        lessons: Frames may be of one of these, with ``lesson=NAME``; those that teach a class have
            its name in ``teach``, and the number of their burst in ``burst``.
    """
    minutes = round(limits.camera_seconds / 60)
    over = (
        f"The camera was stopped: it sent nothing for {limits.camera_idle_seconds:.0f} seconds, or "
        f"ran for {minutes} minutes. Start it again."
    )

    async def start(request: Request) -> Response:
        if not await logged_in(request):
            return refuse(401, "Log in first.")
        try:
            camera = service.start()
        except Busy as busy:
            return refuse(503, str(busy))
        return JSONResponse({"camera": camera.name, "seconds": limits.camera_seconds})

    async def frame(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        if camera is None:
            return refuse(410, over)
        data = await body_of(request, limits.frame_bytes)
        if data is None:
            return refuse(413, "The frame is too large.")
        try:
            number = int(request.query_params["n"])
            settings = settings_from_query(request.query_params)
            width, spot = _wishes(request.query_params)
            label, burst = _burst(request.query_params)
        except (UsageError, ValueError, KeyError):
            return refuse(400, "The settings are not understood.")
        looker, lesson = None, None
        if lessons is not None and "lesson" in request.query_params:
            lesson = lessons.find(request.query_params["lesson"])
            if lesson is None:
                return refuse(410, over_sentence(limits))
            looker = LessonLooker(lessons, lesson, label, burst)
        try:
            shown = await service.explain(
                camera, number, data, settings, width=width, spot=spot, looker=looker
            )
        except LiveGradcamError as error:
            return refuse(422, public_message(error))
        if shown is None:
            return Response(status_code=204)
        summary = _summary(shown)
        if lesson is not None:
            summary["teaching"] = lesson_counts(lesson)
        headers = {"x-explanation": quote(json.dumps(summary)), **PRIVATE}
        return Response(shown.rendered, media_type="image/jpeg", headers=headers)

    async def verdict(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        if camera is None:
            return refuse(410, over)
        try:
            sentence, about = await service.judge(camera)
            return JSONResponse({"verdict": plain(sentence), "about": about}, headers=PRIVATE)
        except Busy:
            return Response(status_code=204)
        except LiveGradcamError as error:
            return refuse(422, public_message(error))

    async def snapshot(request: Request) -> Response:
        camera = service.find(request.path_params["name"])
        data = await service.snapshot(camera) if camera is not None else None
        if data is None:
            return refuse(410, over)
        return Response(data, media_type="image/png", headers=PRIVATE)

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


def _burst(query: Mapping[str, str]) -> tuple[str | None, int]:
    """The class that a frame is to teach, and the number of its burst; -1 for none.

    Raises:
        ValueError: The number is none.
        KeyError: There is none.
    """
    return (query["teach"], int(query["burst"])) if "teach" in query else (None, -1)


def _summary(frame: ShownFrame) -> dict[str, Any]:
    explanation, choice = frame.explanation, frame.choice
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
        "spot": frame.spot,
    }
