"""Lets web pages of allowed origins use the API. Off unless origins are configured."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

ALLOW_ORIGIN = "Access-Control-Allow-Origin"
ANY = ".*"


def cors(allowed: Sequence[str]) -> Middleware:
    """Answers preflights and marks answers for origins that match an entry exactly or as a regular expression."""
    patterns = [re.compile(ANY if entry == ANY else entry, re.IGNORECASE) for entry in allowed]

    @web.middleware
    async def mark(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        known = bool(origin) and any(pattern.fullmatch(origin) for pattern in patterns)
        wanted = request.headers.get("Access-Control-Request-Method")
        if known and request.method == "OPTIONS" and wanted:
            response: web.StreamResponse = web.Response()
            response.headers["Access-Control-Allow-Methods"] = "GET, PUT, POST, DELETE"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        else:
            response = await handler(request)
        if known:
            response.headers[ALLOW_ORIGIN] = origin
            response.headers["Access-Control-Expose-Headers"] = ALLOW_ORIGIN
            response.headers["Vary"] = "Origin"
        return response

    return mark
