"""Asks proxies for their live state: through the zone in which they are, at the replica where that is connected."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from kds.admin_calls import CLUSTERS, CONFIG, STATS, AdminQuery
from kds.relay import zone_of
from kds.replicas.catalogue import Replica, read_catalogue
from kds.replicas.peers import Peers
from kds.rollout_report import REPORT
from kds.tunnel import AdminTunnel
from ursa.errors import NotFound
from ursa.model.labels import NAMESPACE
from ursa.model.resource import Resource
from ursa.view.live import LiveView

RECORDED = {CONFIG: "configDump", STATS: "stats", CLUSTERS: "clusters"}
"""Name of each admin stream in a ZoneInsight."""


class ForwardedProxies:
    """Turns the name of a proxy here into its name there."""

    def __init__(
        self,
        tunnel: AdminTunnel,
        live: LiveView,
        peers: Peers,
        instance: str,
        *,
        rollout: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """Args: `rollout` tells another replica about a rollout in a zone."""
        self._tunnel, self._live, self._peers, self._instance = tunnel, live, peers, instance
        self._rollout = rollout

    async def ask(self, proxy: Resource, query: AdminQuery) -> bytes:
        """See `kds.admin_api.AskProxy`; raises Unavailable."""
        zone = zone_of(proxy)
        if query.call not in self._tunnel.streams(zone) and (holder := self._holder(zone, query.call)) is not None:
            return await self._peers.ask(holder, query)
        return await self._ask_here(proxy, query)

    async def answer(self, query: AdminQuery) -> bytes:
        """Answers another replica, which names the proxy as this control plane does; it is not passed on again."""
        if query.kind == REPORT:
            return await self._rollout(query.name)
        proxy = self._live.current.get(query.kind, query.mesh, query.name)
        if proxy is None:
            raise NotFound(f'resource not found: type="{query.kind}" name="{query.name}" mesh="{query.mesh}"')
        return await self._ask_here(proxy, query)

    async def _ask_here(self, proxy: Resource, query: AdminQuery) -> bytes:
        zone = zone_of(proxy)
        name, namespace = proxy.display_name, proxy.labels.get(NAMESPACE)
        if namespace and self._on_kubernetes(zone):
            name = f"{name}.{namespace}"
        return await self._tunnel.ask(zone, replace(query, name=name))

    def _holder(self, zone: str, call: str) -> Replica | None:
        """The replica that holds the zone's stream for this question, if it is another one."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        streams = insight.spec.get("kdsStreams", {}) if insight is not None else {}
        holder = streams.get(RECORDED[call], {}).get("globalInstanceId")
        if holder in (None, self._instance):
            return None
        return next((one for one in read_catalogue(self._live.current) if one.id == holder), None)

    def _on_kubernetes(self, zone: str) -> bool:
        """Whether a zone keeps its resources in Kubernetes, where names have a namespace."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        subscriptions = insight.spec.get("subscriptions", []) if insight is not None else []
        try:
            config = json.loads(subscriptions[-1]["config"])
            return bool(config["store"]["type"] == "kubernetes")
        except (LookupError, TypeError, ValueError):
            return False
