"""Asks this zone's Envoys for configuration, statistics and clusters, over their mutually authenticated admin port."""

from __future__ import annotations

import asyncio
import logging
import ssl

import aiohttp

from kds.admin_calls import CLUSTERS, CONFIG, REACH, AdminQuery
from ursa.errors import NotFound, Unavailable
from ursa.identity.certificates import LeafIssuer
from ursa.identity.envoy_admin import client_leaf
from ursa.identity.kept_authority import ENVOY_ADMIN, load_kept
from ursa.ir.naming import bracketed
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.tls import load_pair
from ursa.view.live import LiveView
from zone_cp.witness import reach

log = logging.getLogger(__name__)


class EnvoyAdmin:
    """A client of the admin listeners that the planner gives to every proxy."""

    def __init__(
        self, live: LiveView, clock: Clock, default_port: int, *, timeout: float, witness_timeout: float
    ) -> None:
        """Args:
        live: view of this zone.
        clock: time.
        default_port: of admin listeners.
        timeout: seconds that a proxy has to answer.
        witness_timeout: seconds that an ingress of another zone has to take a connection.
        """
        self._witness_timeout = witness_timeout
        self._live, self._clock, self._default_port = live, clock, default_port
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._context: tuple[Resource, ssl.SSLContext] | None = None

    async def answer(self, query: AdminQuery) -> bytes:
        """What a proxy of this zone says; raises NotFound or Unavailable."""
        if query.kind == REACH:
            return await reach(self._live.current, query.name, timeout=self._witness_timeout)
        proxy = self._live.current.get(query.kind, query.mesh, query.name)
        if proxy is None:
            raise NotFound(f"{query.kind} {query.name} not found")
        return await self.ask(proxy, query)

    async def ask(self, proxy: Resource, query: AdminQuery) -> bytes:
        """What the proxy of a resource says; raises Unavailable."""
        networking: JsonObject = proxy.spec.get("networking", {})
        port = int(networking.get("admin", {}).get("port", 0)) or self._default_port
        url = f"https://{bracketed(networking.get('address', ''))}:{port}{_path(query)}"
        context = await asyncio.to_thread(self._tls)
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.get(url, ssl=context) as response,
            ):
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            raise Unavailable(f"could not reach the admin interface of {proxy.name}: {reason}") from None
        if response.status != 200:
            raise Unavailable(f"envoy answered with status {response.status}")
        return body

    def _tls(self) -> ssl.SSLContext:
        resource = self._live.current.get("GlobalSecret", "", ENVOY_ADMIN)
        if resource is None:
            raise Unavailable(f'secret "{ENVOY_ADMIN}" is not there yet')
        if self._context is not None and self._context[0] is resource:
            return self._context[1]
        authority = load_kept(resource)
        leaf = client_leaf(LeafIssuer(authority), self._clock.now_ns())
        context = ssl.create_default_context(cadata=authority.bundle_pem.decode())
        # A proxy's certificate names its addresses; one known only by a host name has none to compare with.
        context.check_hostname = False
        load_pair(context, leaf.certificate_pem, leaf.key_pem)
        self._context = (resource, context)
        return context


def _path(query: AdminQuery) -> str:
    if query.call == CONFIG:
        return "/config_dump?include_eds" if query.include_eds else "/config_dump"
    if query.call == CLUSTERS:
        return "/clusters?format=json" if query.as_json else "/clusters"
    options = [option for option, on in (("usedonly", query.used_only), ("format=json", query.as_json)) if on]
    return "/stats" + ("?" + "&".join(options) if options else "")
