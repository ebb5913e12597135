"""What operators' tools ask a process: is it alive, may it get traffic, what did it count."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import generate_latest

from ursa.api.context import ApiContext

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def build_diagnostics(context: ApiContext) -> web.Application:
    """`/healthy`, `/ready` and `/metrics`; everything else is 404."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    async def ready(_: web.Request) -> web.Response:
        """Ready once the store was read, and while the process itself agrees."""
        return web.Response(status=200 if context.live.ready.is_set() and context.ready() else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(context.metrics), headers={"Content-Type": TEXT})

    application = web.Application()
    application.router.add_get("/healthy", healthy)
    application.router.add_get("/ready", ready)
    application.router.add_get("/metrics", metrics)
    return application
