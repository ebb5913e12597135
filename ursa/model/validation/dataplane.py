"""Rules of Dataplanes (`spec/dataplane.md` §1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ursa.errors import Violation
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_ip
from ursa.model.validation.fields import address, port, protocol, tags

REF_KINDS = ("MeshExternalService", "MeshMultiZoneService", "MeshService")
LOOPBACK = ("127.0.0.1", "0.0.0.0", "::1", "::")


def dataplane_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a Dataplane."""
    networking = resource.spec.get("networking")
    if networking is None:
        return [Violation("networking", "must be defined")]
    found = list(_networking(networking))
    found += _probes(resource.spec.get("probes"), networking)
    metrics = resource.spec.get("metrics")
    if metrics and metrics.get("type") != "prometheus":
        found.append(Violation("metrics.type", 'unknown backend type. Available backends: "prometheus"'))
    return found


def _networking(networking: JsonObject) -> Iterator[Violation]:
    inbounds, gateway = networking.get("inbound", []), networking.get("gateway")
    if not inbounds and gateway is None:
        yield Violation("networking", "has to contain at least one inbound interface or gateway")
    if gateway is not None:
        yield from _gateway(gateway, networking)
    yield from address("networking.address", networking.get("address", ""))
    for index, inbound in enumerate(inbounds):
        yield from _inbound(f"networking.inbound[{index}]", inbound, networking)
    for index, outbound in enumerate(networking.get("outbound", [])):
        yield from _outbound(f"networking.outbound[{index}]", outbound)
    yield from _admin(networking)
    refs = networking.get("transparentProxying", {}).get("reachableBackends", {}).get("refs", [])
    for index, ref in enumerate(refs):
        yield from _reachable(f"networking.transparentProxing.reachableBackends.refs[{index}]", ref)


def _gateway(gateway: JsonObject, networking: JsonObject) -> Iterator[Violation]:
    if gateway.get("type") == "BUILTIN":
        for part in ("inbound", "outbound"):
            if networking.get(part):
                yield Violation(f"networking.{part}", f"{part} cannot be defined for builtin gateways")
    elif networking.get("inbound"):
        yield Violation("networking.inbound", "inbound cannot be defined for delegated gateways")
    values = gateway.get("tags", {})
    if "kuma.io/service" not in values:
        yield Violation("networking.gateway.tags", 'mandatory tag "kuma.io/service" is missing')
    given = values.get("kuma.io/protocol")
    if given and given != "tcp":
        yield Violation(
            'networking.gateway.tags["kuma.io/protocol"]',
            f'other values than tcp are not allowed, provided value "{given}"',
        )
    yield from tags("networking.gateway.tags", values)


def _inbound(field: str, inbound: JsonObject, networking: JsonObject) -> Iterator[Violation]:
    yield from port(f"{field}.port", inbound.get("port"))
    if "servicePort" in inbound:
        yield from port(f"{field}.servicePort", inbound["servicePort"])
    if inbound.get("serviceAddress"):
        yield from _service_address(field, inbound, networking)
    if inbound.get("address") and not is_ip(inbound["address"]):
        yield Violation(f"{field}.address", "address has to be valid IP address")
    values = inbound.get("tags", {})
    if "kuma.io/service" not in values:
        yield Violation(f'{field}.tags["kuma.io/service"]', "tag has to exist")
    yield from protocol(f"{field}.tags", values)
    yield from tags(f"{field}.tags", values)
    yield from _service_probe(f"{field}.serviceProbe", inbound.get("serviceProbe", {}))


def _service_address(field: str, inbound: JsonObject, networking: JsonObject) -> Iterator[Violation]:
    given = inbound["serviceAddress"]
    if not is_ip(given):
        yield Violation(f"{field}.serviceAddress", "serviceAddress has to be valid IP address")
    bind = inbound.get("address") or networking.get("address")
    if given == bind and inbound.get("servicePort", inbound.get("port")) == inbound.get("port"):
        yield Violation(f"{field}.serviceAddress", "serviceAddress and servicePort has to differ from address and port")


def _service_probe(field: str, probe: JsonObject) -> Iterator[Violation]:
    for key in ("interval", "timeout"):
        if key in probe and parse_proto(probe[key]) <= 0:
            yield Violation(f"{field}.{key}", "must have a positive value")
    for key in ("unhealthyThreshold", "healthyThreshold"):
        if key in probe and probe[key] <= 0:
            yield Violation(f"{field}.{key}", "must have a positive value")


def _outbound(field: str, outbound: JsonObject) -> Iterator[Violation]:
    yield from port(f"{field}.port", outbound.get("port"))
    if outbound.get("address") and not is_ip(outbound["address"]):
        yield Violation(f"{field}.address", "address has to be valid IP address")
    ref, values = outbound.get("backendRef"), outbound.get("tags", {})
    if ref is None:
        if "kuma.io/service" not in values:
            yield Violation(f"{field}.tags", 'mandatory tag "kuma.io/service" is missing')
        yield from tags(f"{field}.tags", values)
        return
    if values:
        yield Violation(f"{field}.backendRef", "both backendRef and tags/service cannot be defined")
    yield from _backend_ref(f"{field}.backendRef", ref)


def _backend_ref(field: str, ref: dict[str, Any]) -> Iterator[Violation]:
    if ref.get("kind") not in REF_KINDS:
        yield Violation(f"{field}.kind", f"invalid value. Available values are: {','.join(REF_KINDS)}")
    if bool(ref.get("name")) == bool(ref.get("labels")):
        yield Violation(field, "either 'name' or 'labels' should be specified")
    if ref.get("kind") != "MeshExternalService":
        yield from port(f"{field}.port", ref.get("port"))


def _admin(networking: JsonObject) -> Iterator[Violation]:
    admin = networking.get("admin", {}).get("port")
    if not admin:
        return
    for inbound in networking.get("inbound", []):
        taken = {inbound.get("port")} if (inbound.get("address") or networking.get("address")) in LOOPBACK else set()
        if (inbound.get("serviceAddress") or "") in LOOPBACK:
            taken.add(inbound.get("servicePort"))
        if admin in taken:
            yield Violation("networking.admin.port", "must differ from inbound")
    for outbound in networking.get("outbound", []):
        if (outbound.get("address") or "127.0.0.1") in LOOPBACK and outbound.get("port") == admin:
            yield Violation("networking.admin.port", "must differ from outbound")


def _reachable(field: str, ref: JsonObject) -> Iterator[Violation]:
    if ref.get("kind") not in REF_KINDS:
        yield Violation(f"{field}.kind", f"invalid value. Available values are: {','.join(REF_KINDS)}")
    if not ref.get("name") and not ref.get("labels"):
        yield Violation(f"{field}.name", "name or labels are required")
    if ref.get("namespace") and not ref.get("name"):
        yield Violation(f"{field}.name", "name is required, when namespace is defined")
    if ref.get("name") and ref.get("labels"):
        yield Violation(f"{field}.labels", "labels cannot be defined when name is specified")


def _probes(probes: JsonObject | None, networking: JsonObject) -> list[Violation]:
    if probes is None:
        return []
    if networking.get("gateway", {}).get("type") == "BUILTIN":
        return [Violation("probes", "probes cannot be defined for builtin gateways")]
    found = list(port("probes.port", probes.get("port")))
    for index, endpoint in enumerate(probes.get("endpoints", [])):
        field = f"probes.endpoints[{index}]"
        found += port(f"{field}.inboundPort", endpoint.get("inboundPort"))
        for key in ("inboundPath", "path"):
            if not str(endpoint.get(key, "")).startswith("/"):
                found.append(Violation(f"{field}.{key}", "should be a valid URL Path"))
    return found
