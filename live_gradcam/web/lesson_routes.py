"""Addresses of lessons: classes and bursts are begun and ended, heads can be kept."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError
from live_gradcam.web.answers import PRIVATE, json_of, refuse
from live_gradcam.web.engine import Busy
from live_gradcam.web.lesson_words import lesson_facts
from live_gradcam.web.limits import Limits
from live_gradcam.web.messages import public_message
from live_gradcam.web.security import logged_in
from live_gradcam.web.teaching import TeachingService, VisitorLesson

_REQUEST_BYTES = 16 * 1024


class _NotUnderstoodError(Exception):
    """A request that the page's script would not send."""


def lesson_routes(
    service: TeachingService, limits: Limits, *, whole_files: bool = False
) -> list[Route]:
    """Addresses that the Teach tab's script talks to, beside those of its camera.

    ===========================================  ==================================================
    ``POST live/lesson``                         begins one with ``{labels: [..]}``
    ``GET live/lesson/NAME``                     what there is to tell
    ``POST live/lesson/NAME``                    ``{do: add | remove, label}``,
                                                 ``{do: rename, label, to}``, ``{do: end, burst}``,
                                                 ``{do: undo}``, ``{do: own, own}``
    ``GET live/lesson/NAME/taught.safetensors``  the newest head; with ``whole=1`` with the network
    ``POST live/lesson/NAME/stop``               forgets everything
    ===========================================  ==================================================

    Args:
        service: Does the work.
        limits: Bounds of the page.
        whole_files: Visitors may keep the network itself, too.
    """
    over = over_sentence(limits)

    async def start(request: Request) -> Response:
        if not await logged_in(request):
            return refuse(401, "Log in first.")
        content = await json_of(request, _REQUEST_BYTES)
        try:
            labels = _texts(content, "labels")
            lesson = await service.start(labels)
        except _NotUnderstoodError:
            return refuse(400, "The request is not understood.")
        except Busy as busy:
            return refuse(503, str(busy))
        except LiveGradcamError as error:
            return refuse(422, public_message(error))
        return _facts(lesson)

    async def facts(request: Request) -> Response:
        lesson = service.find(request.path_params["name"])
        return refuse(410, over) if lesson is None else _facts(lesson)

    async def change(request: Request) -> Response:
        lesson = service.find(request.path_params["name"])
        if lesson is None:
            return refuse(410, over)
        content = await json_of(request, _REQUEST_BYTES)
        try:
            more = _obey(service, lesson, content)
        except _NotUnderstoodError:
            return refuse(400, "The request is not understood.")
        except LiveGradcamError as error:
            return refuse(422, public_message(error))
        return _facts(lesson, **more)

    async def file(request: Request) -> Response:
        lesson = service.find(request.path_params["name"])
        if lesson is None:
            return refuse(410, over)
        whole = request.query_params.get("whole") == "1"
        if whole and not whole_files:
            return refuse(403, "This page does not give its network away.")
        try:
            data = await service.file(lesson, whole=whole)
        except LiveGradcamError as error:
            return refuse(422, public_message(error))
        headers = {"content-disposition": 'attachment; filename="taught.safetensors"', **PRIVATE}
        return Response(data, media_type="application/octet-stream", headers=headers)

    async def stop(request: Request) -> Response:
        service.stop(request.path_params["name"])
        return Response(status_code=204)

    return [
        Route("/live/lesson", start, methods=["POST"]),
        Route("/live/lesson/{name}", facts, methods=["GET"]),
        Route("/live/lesson/{name}", change, methods=["POST"]),
        Route("/live/lesson/{name}/taught.safetensors", file, methods=["GET"]),
        Route("/live/lesson/{name}/stop", stop, methods=["POST"]),
    ]


def over_sentence(limits: Limits) -> str:
    """What is said of a lesson that is over."""
    return (
        "What you taught is forgotten: nobody asked for it for "
        f"{limits.lesson_idle_seconds:.0f} seconds, or it was "
        f"{round(limits.lesson_seconds / 60)} minutes old."
    )


def _facts(lesson: VisitorLesson, **more: object) -> Response:
    return JSONResponse({**lesson_facts(lesson), **more}, headers=PRIVATE)


def _obey(
    service: TeachingService, lesson: VisitorLesson, content: dict[str, Any] | None
) -> dict[str, object]:
    """Do what is asked; what there is to tell beside the lesson itself."""
    state = lesson.state
    match content:
        case {"do": "add", "label": str(label)}:
            service.add_class(lesson, label)
        case {"do": "remove", "label": str(label)}:
            state.remove_class(label)
        case {"do": "rename", "label": str(label), "to": str(name)}:
            return {"renamed": [[label, state.rename_class(label, name)]]}
        case {"do": "end", "burst": int(burst)}:
            service.end(lesson, burst)
        case {"do": "undo"}:
            state.undo()
        case {"do": "own", "own": bool(own)}:
            lesson.own = own
        case _:
            raise _NotUnderstoodError
    service.learn(lesson)
    return {}


def _texts(content: dict[str, Any] | None, name: str) -> list[str]:
    found = content.get(name) if content is not None else None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _NotUnderstoodError
    return found
