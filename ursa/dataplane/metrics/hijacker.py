"""Answers readers of metrics, whom Envoy lets in through a socket in the work directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from aiohttp import hdrs, web

from ursa.dataplane.metrics.config import PATH
from ursa.dataplane.metrics.gatherer import Gatherer


class MetricsHijacker:
    """Serves the socket: at the path of MeshMetrics what those want shown, at any other what the Mesh does."""

    def __init__(self, socket: Path, gatherer: Gatherer) -> None:
        self._socket, self._gatherer = socket, gatherer
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Starts to answer."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        with suppress(FileNotFoundError):
            self._socket.unlink()
        await web.UnixSite(self._runner, str(self._socket)).start()

    async def close(self) -> None:
        """Stops answering."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.path.startswith(PATH):
            found = await self._gatherer.of_mesh_metric(headers)
        else:
            found = await self._gatherer.of_mesh(request.query_string, headers)
        return web.Response(body=found.text.encode(), headers={hdrs.CONTENT_TYPE: found.content_type})
