"""Asks Envoy and applications for their metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from ursa.dataplane.metrics.config import Application

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 10.0
"""Seconds an answer may take when the reader does not say how long it waits."""

PASSED_ON = ("accept", "user-agent", "x-prometheus-scrape-timeout-seconds")
"""Headers by which a reader says what it understands; applications get them, too."""

STATS = "/stats?format=prometheus&text_readouts="

_LOOPBACK = {4: "127.0.0.6", 6: "::6"}
"""From where applications are asked under transparent proxying, which lets these addresses pass."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """An answer."""

    text: str
    content_type: str


class Sources:
    """Where the metrics of one proxy are."""

    def __init__(self, admin: str, address: str, *, transparent: bool) -> None:
        """Args:
        admin: URL of Envoy's admin interface.
        address: of the proxy, where applications without one of their own are.
        transparent: whether connections that leave this host are redirected.
        """
        self._admin, self._address, self._transparent = admin, address or "127.0.0.1", transparent

    async def envoy(self, query: str, headers: Mapping[str, str]) -> Scraped | None:
        """Envoy's own; `query` is added to what is asked."""
        return await _get(f"{self._admin}{STATS}{f'&{query}' if query else ''}", {}, "", _timeout(headers))

    async def applications(self, wanted: Iterable[Application], headers: Mapping[str, str]) -> list[Scraped]:
        """Those of the applications that answer; all are asked at the same time."""
        passed = {name: headers[name] for name in PASSED_ON if name in headers}
        answers = (self._application(one, passed, _timeout(headers)) for one in wanted)
        return [found for found in await asyncio.gather(*answers) if found is not None]

    async def _application(self, of: Application, headers: Mapping[str, str], timeout: float) -> Scraped | None:
        address = of.address or self._address
        bracketed = f"[{address}]" if ":" in address else address
        source = _LOOPBACK[6 if ":" in address else 4] if self._transparent else ""
        return await _get(f"http://{bracketed}:{of.port}/{of.path.lstrip('/')}", headers, source, timeout)


async def _get(url: str, headers: Mapping[str, str], source: str, timeout: float) -> Scraped | None:
    connector = aiohttp.TCPConnector(local_addr=(source, 0) if source else None)
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.get(url, headers=headers) as answer,
        ):
            if answer.status == 200:
                return Scraped(await answer.text(errors="replace"), answer.headers.get("content-type", ""))
            reason = f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
    log.warning("metrics are missing", extra={"url": url, "reason": reason})
    return None


def _timeout(headers: Mapping[str, str]) -> float:
    try:
        return float(headers.get("x-prometheus-scrape-timeout-seconds", "")) or DEFAULT_TIMEOUT
    except ValueError:
        return DEFAULT_TIMEOUT
