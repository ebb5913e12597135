"""ServiceInsight: for every value of `kuma.io/service`, how many proxies serve it, where, and how they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ursa.admission.place import Place
from ursa.api.insights.proxies import ProxySort, ProxyStatus, sort_of, status_of
from ursa.api.insights.sight import unseen_zones
from ursa.model.labels import SERVICE_TAG, ZONE_TAG
from ursa.model.resource import Resource
from ursa.runtime.config.services import DnsServer
from ursa.view.view import Bucket, View

_TYPES = {ProxySort.BUILTIN: "gateway_builtin", ProxySort.DELEGATED: "gateway_delegated"}


class ServiceInsights:
    """Computes the insights of a mesh's services; remembered until a proxy of the mesh changes."""

    def __init__(self, dns: DnsServer, place: Place) -> None:
        self._dns, self._place = dns, place
        self._known: dict[str, tuple[tuple[Bucket, ...], frozenset[str], tuple[Resource, ...]]] = {}

    def list(self, view: View, mesh: str | None = None) -> Sequence[Resource]:
        """All services of one mesh or of all, ordered by (mesh, name)."""
        meshes = [mesh] if mesh is not None else view.meshes()
        return [insight for one in meshes for insight in self._of(view, one)]

    def get(self, view: View, mesh: str, service: str) -> Resource | None:
        """One service. In a mesh with services an unknown one has empty counters, as Kuma answers."""
        known = self._of(view, mesh)
        if not known:
            return None
        for insight in known:
            if insight.name == service:
                return insight
        spec = {"dataplanes": {}, "addressPort": self._address(service)}
        return Resource("ServiceInsight", mesh, service, spec, created=known[0].created, modified=known[0].modified)

    def _of(self, view: View, mesh: str) -> Sequence[Resource]:
        buckets = tuple(view.bucket(k, mesh) for k in ("Dataplane", "DataplaneInsight", "ExternalService"))
        known, unseen = self._known.get(mesh), unseen_zones(view, self._place)
        if known is not None and known[1] == unseen and all(a is b for a, b in zip(known[0], buckets, strict=True)):
            return known[2]
        made = [self._internal(view, mesh, service, unseen) for service in view.services(mesh)]
        internal = {insight.name for insight in made}
        external = view.list("ExternalService", mesh)
        made += [one for e in external if (one := _external(e)).name not in internal]
        found = tuple(sorted(made, key=lambda r: r.name))
        self._known[mesh] = (buckets, unseen, found)
        return found

    def _internal(self, view: View, mesh: str, service: str, unseen: frozenset[str]) -> Resource:
        proxies = view.serving(mesh, service).values()
        insights = view.bucket("DataplaneInsight", mesh)
        statuses = [status_of(proxy, insights.get(proxy.name), unseen) for proxy in proxies]
        spec: dict[str, Any] = {"status": _status(statuses), "dataplanes": _counts(statuses)}
        issued = _issued(insights.get(proxy.name) for proxy in proxies)
        if issued:
            spec["issuedBackends"] = issued
        if sort := next((t for p in proxies if (t := _TYPES.get(sort_of(p)))), None):
            spec["serviceType"] = sort
        else:
            spec["addressPort"] = self._address(service)
        if zones := sorted({zone for proxy in proxies for zone in _zones(proxy, service)}):
            spec["zones"] = zones
        return Resource(
            "ServiceInsight",
            mesh,
            service,
            spec,
            created=min(proxy.created for proxy in proxies),
            modified=max(proxy.modified for proxy in proxies),
        )

    def _address(self, service: str) -> str:
        return f"{service}.{self._dns.domain}:{self._dns.service_vip_port}"


def _external(resource: Resource) -> Resource:
    name = resource.spec.get("tags", {}).get(SERVICE_TAG, resource.name)
    spec = {
        "status": "not_available",
        "dataplanes": {},
        "serviceType": "external",
        "addressPort": resource.spec.get("networking", {}).get("address", ""),
    }
    return Resource("ServiceInsight", resource.mesh, name, spec, created=resource.created, modified=resource.modified)


def _status(statuses: Sequence[ProxyStatus]) -> str:
    online = sum(1 for status in statuses if status is ProxyStatus.ONLINE)
    if online == len(statuses):
        return "online"
    return "partially_degraded" if online or ProxyStatus.DEGRADED in statuses else "offline"


def _counts(statuses: Sequence[ProxyStatus]) -> dict[str, int]:
    unknown = statuses.count(ProxyStatus.UNKNOWN)
    online = len(statuses) - unknown - statuses.count(ProxyStatus.OFFLINE)
    counts = {
        "total": len(statuses),
        "online": online,
        "offline": len(statuses) - online - unknown,
        "unknown": unknown,
    }
    return {name: count for name, count in counts.items() if count}


def _issued(insights: Iterable[Resource | None]) -> dict[str, int]:
    issued: dict[str, int] = {}
    for insight in insights:
        backend = insight.spec.get("mTLS", {}).get("issuedBackend") if insight is not None else None
        if backend:
            issued[backend] = issued.get(backend, 0) + 1
    return issued


def _zones(proxy: Resource, service: str) -> Iterable[str]:
    networking = proxy.spec.get("networking", {})
    for part in (*networking.get("inbound", ()), networking.get("gateway") or {}):
        tags = part.get("tags", {})
        if tags.get(SERVICE_TAG) == service and ZONE_TAG in tags:
            yield tags[ZONE_TAG]
