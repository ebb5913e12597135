"""How answers look: JSON with one space per level, as Kuma prints it, and the headers that go with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson
from aiohttp import web

from ursa.errors import BadRequest
from ursa.model.json import Json

JSON = "application/json"
DRY_RUN = "dryRun"
"""Parameter of a write that is only to be checked."""

CUT_OFF = "unexpected end of JSON input"
"""Kuma's words for a body that ends too early."""

REVISION = "X-Ursa-Revision"
"""Header with the store revision that a write produced."""

_INDENT = re.compile(rb"\n +")


def dump(document: Json) -> bytes:
    """Pretty JSON. The fast encoder only knows two spaces per level, so each indentation is halved afterwards."""
    text = orjson.dumps(document, _plain, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return _INDENT.sub(lambda match: match[0][: 1 + (len(match[0]) - 1) // 2], text)


def _plain(value: object) -> object:
    """Mappings that are no dicts (read-only labels) are the only values the encoder does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def answer(document: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    response = web.Response(body=dump(document), status=status, headers=headers)
    response.headers["Content-Type"] = JSON
    return response


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A plain text answer of the router: no such path, wrong method and the like."""
    return web.Response(text=text, status=status, headers=headers, content_type="text/plain", charset="utf-8")


async def body_of(request: web.Request, what: str) -> Json:
    """The JSON body of a request.

    Raises:
        BadRequest: it is not JSON; the text names what it should have been.
    """
    raw = await request.read()
    if not raw:
        raise BadRequest(f'invalid {what} object: "{CUT_OFF}"')
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if error.pos >= len(error.doc):
            raise BadRequest(f'invalid {what} object: "{CUT_OFF}"') from None
        raise BadRequest(f'invalid {what} object: "{error}"') from None


def is_true(request: web.Request, parameter: str) -> bool:
    """Whether a query parameter is switched on.

    Raises:
        BadRequest: its value is neither true nor false.
    """
    value = request.query.get(parameter, "false")
    if value not in ("true", "false", ""):
        raise BadRequest(f"unsupported value for query parameter '{parameter}'")
    return value == "true"
