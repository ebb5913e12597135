"""Asks for what may change while the proxy runs: texts that the control plane puts into a listener of Envoy.

The listener is a socket in the work directory and is there only while something is configured. It cannot tell of news,
so that one has to ask now and again; an answer that did not change is one short message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from ursa.dataplane.metrics.own import OwnMetrics
from ursa.errors import BadRequest
from ursa.runtime.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=5)

NOT_CONFIGURED = 404

Handler = Callable[[bytes], None]
"""Takes over a new text; nothing is configured any more when it is empty. Raises BadRequest for what makes no sense."""


class DynamicConfiguration:
    """Keeps handlers up to date."""

    def __init__(
        self, socket: Path, handlers: Mapping[str, Handler], *, every: float, clock: Clock, metrics: OwnMetrics
    ) -> None:
        """Args: `handlers` by path are asked for anew `every` so many seconds."""
        self._socket, self._handlers = socket, handlers
        self._every, self._clock, self._metrics = every, clock, metrics
        self._known: dict[str, str] = {}

    async def run(self) -> None:
        """Asks until cancelled."""
        connector = aiohttp.UnixConnector(path=str(self._socket))
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            while True:
                for path, handle in self._handlers.items():
                    await self._ask(session, path, handle)
                await self._clock.sleep(self._every)

    async def _ask(self, session: aiohttp.ClientSession, path: str, handle: Handler) -> None:
        started = self._clock.monotonic()
        known = self._known.get(path, "")
        try:
            async with session.get(
                f"http://localhost{path}", headers={"if-none-match": known} if known else {}
            ) as answer:
                status, tag, body = answer.status, answer.headers.get("etag", ""), await answer.read()
        except aiohttp.ClientConnectorError:
            status, tag, body = NOT_CONFIGURED, "", b""  # nobody listens any more, or not yet
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("dynamic configuration is not answered", extra={"path": path, "error": error})
            return
        self._metrics.calls.add(path)
        self._metrics.durations.labels(path).observe(self._clock.monotonic() - started)
        if status == 200:
            self._take(path, handle, body, tag)
        elif status == NOT_CONFIGURED and known:
            self._take(path, handle, b"", "")

    def _take(self, path: str, handle: Handler, body: bytes, tag: str) -> None:
        self._known[path] = tag
        try:
            handle(body)
        except BadRequest as error:
            self._metrics.errors.add(path)
            log.error("dynamic configuration makes no sense", extra={"path": path, "error": str(error)})
