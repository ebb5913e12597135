"""A list that goes on: with `?watch=true` the objects that are there are followed by every change of them.

One JSON object per line: `{"change": "present" | "created" | "updated" | "deleted", "revision": …, "object": {…}}`. The
line `{"change": "synced", "revision": …}` ends what is there. A reader that is slow gets the newest state of each
object, never a backlog. Empty lines in between only show that the connection lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from aiohttp import web

from ursa.api.context import ApiContext
from ursa.errors import BadRequest
from ursa.model.forms import to_rest
from ursa.model.kind import Kind
from ursa.model.resource import Resource
from ursa.store.contract import Change
from ursa.view.live import Subscription

WATCH = "watch"
LINES = "application/x-ndjson"
PULSE = 15.0
"""Seconds between empty lines; a client that is gone is noticed when one is written."""

COMPUTED = ("MeshInsight", "ServiceInsight")
"""Kinds that nobody stores, so that nothing tells when they change."""

Select = Callable[[Iterable[Resource]], Sequence[Resource]]
"""Which of some resources the request is about."""


async def watch(request: web.Request, context: ApiContext, kind: Kind, select: Select) -> web.StreamResponse:
    """Answers until the client goes or the server stops.

    Raises:
        BadRequest: objects of this kind cannot be watched.
    """
    if kind.name in COMPUTED:
        raise BadRequest(f"objects of type {kind.name} are computed when they are asked for and cannot be watched")
    response = web.StreamResponse(headers={"Content-Type": LINES, "X-Accel-Buffering": "no"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    subscription = context.live.subscribe(f"watch of {kind.path}")
    try:
        view = context.view
        for resource in select(view.list(kind.name, request.match_info.get("mesh"))):
            await response.write(_line("present", view.revision, _shown(resource, context)))
        await response.write(_line("synced", view.revision))
        await _follow(response, subscription, context, kind, select)
    except ConnectionResetError:
        pass  # the client has seen enough
    finally:
        subscription.close()
    return response


async def _follow(
    response: web.StreamResponse, subscription: Subscription, context: ApiContext, kind: Kind, select: Select
) -> None:
    while True:
        try:
            async with asyncio.timeout(PULSE):
                step = await subscription.next()
        except TimeoutError:
            await response.write(b"\n")
            continue
        for change in sorted(step.touched.of(kind.name), key=lambda change: change.key):
            if (line := _told(change, step.after.revision, context, select)) is not None:
                await response.write(line)


def _told(change: Change, revision: int, context: ApiContext, select: Select) -> bytes | None:
    """The line about a change; None when it does not concern the request, before or after."""
    before = bool(change.before is not None and select([change.before]))
    after = change.after if change.after is not None and select([change.after]) else None
    if after is not None:
        return _line("updated" if before else "created", revision, _shown(after, context))
    if before and change.before is not None:
        return _line("deleted", revision, _shown(change.before, context))
    return None


def _shown(resource: Resource, context: ApiContext) -> dict[str, Any]:
    return to_rest(resource, context.registry)


def _line(change: str, revision: int, shown: dict[str, Any] | None = None) -> bytes:
    document: dict[str, Any] = {"change": change, "revision": revision}
    if shown is not None:
        document["object"] = shown
    return orjson.dumps(document, lambda labels: dict(labels), orjson.OPT_APPEND_NEWLINE)
