"""Tells load balancers and orchestrators whether this proxy may get traffic: READY, or TERMINATING once it drains."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from aiohttp import web


class ReadinessReporter:
    """Serves `GET /ready` on a unix socket or, where that is switched off, on a TCP port."""

    def __init__(self, socket: Path | None, port: int) -> None:
        self._socket = socket
        self._port = port
        self._runner: web.AppRunner | None = None
        self.terminating = False

    async def open(self) -> None:
        """Starts to answer."""
        app = web.Application()
        app.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site: web.BaseSite
        if self._socket is not None:
            with suppress(FileNotFoundError):
                self._socket.unlink()
            site = web.UnixSite(self._runner, str(self._socket))
        else:
            site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()

    async def close(self) -> None:
        """Stops answering."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _ready(self, _: web.Request) -> web.Response:
        headers = {"cache-control": "no-cache, max-age=0", "x-powered-by": "ursa-dp"}
        text, status = ("TERMINATING", 503) if self.terminating else ("READY", 200)
        return web.Response(text=text, status=status, content_type="text/plain", headers=headers)
