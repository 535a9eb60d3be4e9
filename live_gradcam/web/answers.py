"""Answers of the page's own addresses, and the bodies of what is posted to them."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PRIVATE = {"cache-control": "no-store"}
"""Headers of what is one visitor's own."""


def refuse(status: int, sentence: str) -> Response:
    """An answer that says why there is none."""
    return JSONResponse({"detail": sentence}, status_code=status, headers=PRIVATE)


async def body_of(request: Request, limit: int) -> bytes | None:
    """The body of a request; ``None`` if it has more than so many bytes."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            return None
    return bytes(parts)


async def json_of(request: Request, limit: int) -> dict[str, Any] | None:
    """The object that a request's body is in JSON; ``None`` if it is none, or too long."""
    data = await body_of(request, limit)
    try:
        found = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
