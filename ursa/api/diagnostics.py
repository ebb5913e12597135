"""What operators' tools ask a process: is it alive, may it get traffic, what did it count."""

from __future__ import annotations

from aiohttp import web

from ursa.api.context import ApiContext
from ursa.runtime.telemetry import exposition

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def build_diagnostics(context: ApiContext) -> web.Application:
    """`/healthy`, `/ready` and `/metrics`; everything else is 404."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    async def ready(_: web.Request) -> web.Response:
        """Ready once the store was read, and while the process itself agrees."""
        return web.Response(status=200 if context.live.ready.is_set() and context.ready() else 503)

    async def metrics(_: web.Request) -> web.Response:
        body = exposition(context.metrics.collect(), _place(context))
        return web.Response(body=body, headers={"Content-Type": TEXT})

    application = web.Application()
    application.router.add_get("/healthy", healthy)
    application.router.add_get("/ready", ready)
    application.router.add_get("/metrics", metrics)
    return application


def _place(context: ApiContext) -> str:
    """Where a control plane is, in Kuma's words: the name of its zone, or `Global`."""
    settings = context.settings
    return "Global" if settings.is_global else settings.multizone.zone.name
