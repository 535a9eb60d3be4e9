"""Downloads of the picture tab: made when they are asked for, never stored."""

from __future__ import annotations

import json

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live_gradcam.errors import LiveGradcamError
from live_gradcam.native import cv2
from live_gradcam.web.handlers import read_look
from live_gradcam.web.images import ImageService, KeptPicture, Look
from live_gradcam.web.messages import public_message


def download_routes(desk: ImageService) -> list[Route]:
    """The addresses of the overlay and of the record of a remembered picture."""

    def overlay(picture: KeptPicture, look: Look) -> Response:
        drawn = desk.overlay(picture, look, full_size=True)
        return Response(cv2.imencode(".png", drawn)[1].tobytes(), media_type="image/png")

    def record(picture: KeptPicture, look: Look) -> Response:
        text = json.dumps(desk.record(picture, look), ensure_ascii=False, indent=2)
        return Response(text, media_type="application/json")

    kinds = {"overlay.png": overlay, "record.json": record}

    async def answer(request: Request) -> Response:
        picture = desk.shelf.by_token(request.path_params["token"])
        make = kinds.get(request.path_params["kind"])
        if picture is None or make is None:
            return JSONResponse({"detail": "This picture is not kept any more."}, status_code=404)
        query = request.query_params
        try:
            look = read_look(
                query.get("class", ""),
                query.get("view", "crop"),
                query.get("layer", ""),
                query.get("method", ""),
                float(query.get("opacity", "0.6")),
                query.get("colormap", "turbo"),
            )
            response = await anyio.to_thread.run_sync(make, picture, look)
        except LiveGradcamError as error:
            return JSONResponse({"detail": public_message(error)}, status_code=422)
        except ValueError:
            return JSONResponse({"detail": "The settings are not understood."}, status_code=400)
        response.headers["cache-control"] = "no-store"
        return response

    return [Route("/live/picture/{token}/{kind}", answer, methods=["GET"])]
