"""What is known about a service of this zone: how many proxies it has, whether they are well, whether all speak TLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ursa.model.dataplane import Dataplane, parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import NAMESPACE, ZONE
from ursa.model.real_service import parse_real_service
from ursa.model.resource import Resource
from ursa.topology.services.reach import leads_to, selects

READY, NOT_READY = "Ready", "NotReady"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A Dataplane with what its insight tells.

    Attributes:
        dataplane: as parsed.
        connected: whether it is connected to its control plane.
        certified: whether it has a certificate of the mesh.
    """

    dataplane: Dataplane
    connected: bool
    certified: bool


def read_proxy(resource: Resource, insight: Resource | None) -> Proxy:
    """A Dataplane and its insight."""
    spec: JsonObject = insight.spec if insight is not None else {}
    newest = (spec.get("subscriptions") or [{}])[-1]
    connected = bool(newest.get("connectTime")) and not newest.get("disconnectTime")
    return Proxy(parse_dataplane(resource), connected, bool(spec.get("mTLS", {}).get("issuedBackend")))


def with_health(service: Resource, proxies: Iterable[Proxy], *, mtls: bool) -> Resource:
    """A local MeshService with state, identities and status after its proxies.

    Args:
        service: the MeshService.
        proxies: those that may belong to it; others are ignored.
        mtls: whether its mesh has a certificate authority.
    """
    own = [proxy for proxy in proxies if selects(service, proxy.dataplane)]
    counts = {
        "connected": sum(proxy.connected for proxy in own),
        "healthy": sum(_healthy(service, proxy.dataplane) for proxy in own),
        "total": len(own),
    }
    spec: JsonObject = {**service.spec, "state": "Available" if counts["healthy"] else "Unavailable"}
    # A proxy shows all its identities, whichever of its inbounds is called.
    tags = sorted({tag for proxy in own for tag in proxy.dataplane.services})
    if tags:
        others = [one for one in spec.get("identities", ()) if one.get("type") != "ServiceTag"]
        spec = {**spec, "identities": [*({"type": "ServiceTag", "value": tag} for tag in tags), *others]}
    before: JsonObject = service.status or {}
    status = {
        **before,
        "tls": {"status": _tls(before, own, mtls=mtls)},
        "dataplaneProxies": {name: count for name, count in counts.items() if count},
    }
    return replace(service, spec=spec, status=status)


def with_matches(service: Resource, candidates: Iterable[Resource], zone: str) -> Resource:
    """A MeshMultiZoneService with the MeshServices its selector matches; `zone` is that of those without a label."""
    labels: Mapping[str, str] = service.spec.get("selector", {}).get("meshService", {}).get("matchLabels", {})
    matched = sorted(
        (one.display_name, one.labels.get(NAMESPACE, ""), one.labels.get(ZONE, zone))
        for one in candidates
        if labels.items() <= one.labels.items()
    )
    condition = {
        "type": "MeshServicesMatched",
        "status": "True" if matched else "False",
        "reason": "MatchesFound" if matched else "NoMatchesFound",
        "message": f"Matched {len(matched)} MeshService(s)"
        if matched
        else "Selector does not match any MeshService in this zone",
    }
    status: dict[str, object] = {**(service.status or {}), "conditions": [condition]}
    status.pop("meshServices", None)
    if matched:
        status["meshServices"] = [
            {"name": name, "namespace": namespace, "zone": of, "mesh": service.mesh} for name, namespace, of in matched
        ]
    return service.with_status(status)


def _healthy(service: Resource, dataplane: Dataplane) -> bool:
    """Whether every port of the service has an inbound that may get traffic."""
    ports = parse_real_service(service).ports
    return all(any(leads_to(port, inbound) and inbound.healthy for inbound in dataplane.inbounds) for port in ports)


def _tls(before: JsonObject, proxies: Sequence[Proxy], *, mtls: bool) -> str:
    """Once all proxies of a service could speak TLS it stays so, or clients would fall back to plaintext."""
    if not mtls:
        return NOT_READY
    if before.get("tls", {}).get("status") == READY or (proxies and all(proxy.certified for proxy in proxies)):
        return READY
    return NOT_READY
