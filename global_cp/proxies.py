"""Asks what only a zone knows: through its streams, at the replica where they end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from global_cp.zones import RECORDED
from kds.admin_calls import CALLS, REACH, STATS, AdminQuery
from kds.insight import stream_holder
from kds.relay import zone_of
from kds.replicas.catalogue import Replica, find_replica
from kds.replicas.peers import Peers
from kds.tunnel import AdminTunnel
from ursa.errors import NotFound, Unavailable
from ursa.model.labels import NAMESPACE
from ursa.model.resource import Resource
from ursa.view.live import LiveView


class ForwardedProxies:
    """Finds the replica, and turns the name of a proxy here into its name there."""

    def __init__(
        self,
        tunnel: AdminTunnel,
        live: LiveView,
        peers: Peers,
        instance: str,
        *,
        questions: Mapping[str, Callable[[str], Awaitable[bytes]]],
    ) -> None:
        """Args: `questions` of other replicas that are not about proxies, by what they name as the kind of one."""
        self._tunnel, self._live, self._peers, self._instance = tunnel, live, peers, instance
        self._questions = questions

    async def ask(self, proxy: Resource, query: AdminQuery) -> bytes:
        """See `kds.admin_api.AskProxy`; raises Unavailable."""
        return await self._ask(zone_of(proxy), query)

    async def reach(self, witness: str, address: str) -> None:
        """Returns when a zone reaches the ingress of another one, at `host:port`; raises Unavailable."""
        await self._ask(witness, AdminQuery(STATS, REACH, witness, address))

    async def answer(self, query: AdminQuery) -> bytes:
        """Answers another replica, which names the proxy as this control plane does; it is not passed on again."""
        if (about := self._questions.get(query.kind)) is not None:
            return await about(query.name)
        if query.kind == REACH:
            return await self._tunnel.ask(query.mesh, replace(query, mesh=""))
        proxy = self._live.current.get(query.kind, query.mesh, query.name)
        if proxy is None:
            raise NotFound(f'resource not found: type="{query.kind}" name="{query.name}" mesh="{query.mesh}"')
        zone = zone_of(proxy)
        name, namespace = proxy.display_name, proxy.labels.get(NAMESPACE)
        if namespace and self._on_kubernetes(zone):
            name = f"{name}.{namespace}"
        return await self._tunnel.ask(zone, replace(query, name=name))

    async def _ask(self, zone: str, query: AdminQuery) -> bytes:
        holder = self._holder(zone, query.call)
        return await (self.answer(query) if holder is None else self._peers.ask(holder, query))

    def _holder(self, zone: str, call: str) -> Replica | None:
        """The other replica that holds the zone's stream for this question; None when it is to be asked here."""
        if call in self._tunnel.streams(zone):
            return None
        insight = self._live.current.get("ZoneInsight", "", zone)
        holder = stream_holder(insight.spec, RECORDED[CALLS[call].stream]) if insight is not None else ""
        if holder in ("", self._instance):
            return None
        replica = find_replica(self._live.current, holder)
        if replica is None:
            title = CALLS[call].title
            raise Unavailable(
                f"couldn't execute {title} operation, zone {zone} is connected to replica {holder}, which is not there"
            )
        return replica

    def _on_kubernetes(self, zone: str) -> bool:
        """Whether a zone keeps its resources in Kubernetes, where names have a namespace."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        subscriptions = insight.spec.get("subscriptions", []) if insight is not None else []
        try:
            config = json.loads(subscriptions[-1]["config"])
            return bool(config["store"]["type"] == "kubernetes")
        except (LookupError, TypeError, ValueError):
            return False
