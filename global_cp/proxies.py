"""Asks proxies for their live state: through the zone in which they are."""

from __future__ import annotations

import json
from dataclasses import replace

from kds.admin_calls import AdminQuery
from kds.relay import zone_of
from kds.tunnel import AdminTunnel
from ursa.model.labels import NAMESPACE
from ursa.model.resource import Resource
from ursa.view.live import LiveView


class ForwardedProxies:
    """Turns the name of a proxy here into its name there."""

    def __init__(self, tunnel: AdminTunnel, live: LiveView) -> None:
        self._tunnel, self._live = tunnel, live

    async def ask(self, proxy: Resource, query: AdminQuery) -> bytes:
        """See `kds.admin_api.AskProxy`; raises Unavailable."""
        zone = zone_of(proxy)
        name, namespace = proxy.display_name, proxy.labels.get(NAMESPACE)
        if namespace and self._on_kubernetes(zone):
            name = f"{name}.{namespace}"
        return await self._tunnel.ask(zone, replace(query, name=name))

    def _on_kubernetes(self, zone: str) -> bool:
        """Whether a zone keeps its resources in Kubernetes, where names have a namespace."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        subscriptions = insight.spec.get("subscriptions", []) if insight is not None else []
        try:
            config = json.loads(subscriptions[-1]["config"])
            return bool(config["store"]["type"] == "kubernetes")
        except (LookupError, TypeError, ValueError):
            return False
