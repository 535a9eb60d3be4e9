"""A web service that explains pictures.

uvicorn fastapi_endpoint:app
curl -F picture=@mug.jpg localhost:8000/explain
curl -F picture=@mug.jpg "localhost:8000/overlay?of=house" -o explained.png
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

import cv2
from fastapi import FastAPI, File, HTTPException, Request, Response
from fastapi.responses import JSONResponse

import live_gradcam as lg


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Load the network once, when the service starts.

    One thread computes, and requests wait for it in turn: several would share the same cores.
    """
    with lg.Explainer(lg.load_classifier("scenes")) as explainer, ThreadPoolExecutor(1) as thread:
        yield {"explainer": explainer, "thread": thread}


app = FastAPI(lifespan=lifespan)


@app.exception_handler(lg.LiveGradcamError)
async def say_what_is_wrong(request: Request, error: Exception) -> JSONResponse:
    """A broken picture or an unknown class is the caller's fault, and one sentence."""
    return JSONResponse({"detail": str(error)}, status_code=422)


async def run(request: Request, picture: bytes, of: str | None) -> lg.Explanation:
    """Explain an upload. Bytes only: a path or an address from a stranger is never opened."""
    if len(picture) > 20_000_000:
        raise HTTPException(413, "at most 20 MB")
    explainer: lg.Explainer = request.state.explainer
    return await asyncio.get_running_loop().run_in_executor(
        request.state.thread, lambda: explainer.explain(picture, classes=of)
    )


@app.post("/explain")
async def explain(
    request: Request, picture: Annotated[bytes, File()], of: str | None = None
) -> dict[str, Any]:
    """Predictions, evidence and region, as JSON."""
    return (await run(request, picture, of)).to_dict()


@app.post("/overlay")
async def overlay(
    request: Request, picture: Annotated[bytes, File()], of: str | None = None
) -> Response:
    """The picture with the evidence on it, as PNG."""
    explanation = await run(request, picture, of)
    _, png = cv2.imencode(".png", explanation.overlay(picture))
    return Response(png.tobytes(), media_type="image/png")
