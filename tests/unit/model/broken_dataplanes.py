"""Dataplanes that break one rule each: the field that is named, the reason."""

from __future__ import annotations

from typing import Any

PORT = "port must be in the range [1, 65535]"
KINDS = "invalid value. Available values are: MeshExternalService,MeshMultiZoneService,MeshService"
INBOUND = "networking.inbound[0]"
OUTBOUND = "networking.outbound[0]"
REF = "networking.transparentProxing.reachableBackends.refs[0]"

Row = tuple[dict[str, Any], str, str]


def proxy(**networking: Any) -> dict[str, Any]:
    return {"networking": {"address": "10.0.0.1", "inbound": [inbound()], **networking}}


def inbound(**fields: Any) -> dict[str, Any]:
    return {"port": 80, "tags": {"kuma.io/service": "a"}, **fields}


def received(**fields: Any) -> dict[str, Any]:
    return proxy(inbound=[inbound(**fields)])


def sent(**fields: Any) -> dict[str, Any]:
    return proxy(outbound=[{"port": 1, **fields}])


def edge(**gateway: Any) -> dict[str, Any]:
    return {"networking": {"address": "10.0.0.1", "gateway": {"tags": {"kuma.io/service": "a"}, **gateway}}}


def reached(**ref: Any) -> dict[str, Any]:
    return proxy(transparentProxying={"reachableBackends": {"refs": [{"kind": "MeshService", **ref}]}})


def probed(**probes: Any) -> dict[str, Any]:
    return {**proxy(), "probes": {"port": 1, **probes}}


DATAPLANE: list[Row] = [
    ({}, "networking", "must be defined"),
    (proxy(inbound=[]), "networking", "has to contain at least one inbound interface or gateway"),
    (proxy(address=""), "networking.address", "address can't be empty"),
    (proxy(address="::"), "networking.address", "must not be 0.0.0.0 or ::"),
    (proxy(address="a b"), "networking.address", "address has to be valid IP address or domain name"),
    (received(port=65536), f"{INBOUND}.port", PORT),
    (received(servicePort=65536), f"{INBOUND}.servicePort", PORT),
    (received(address="a.com"), f"{INBOUND}.address", "address has to be valid IP address"),
    (received(serviceAddress="a.com"), f"{INBOUND}.serviceAddress", "serviceAddress has to be valid IP address"),
    (
        received(serviceAddress="10.0.0.1"),
        f"{INBOUND}.serviceAddress",
        "serviceAddress and servicePort has to differ from address and port",
    ),
    (received(tags={"a": "b"}), f'{INBOUND}.tags["kuma.io/service"]', "tag has to exist"),
    (
        received(tags={"kuma.io/service": "a", "kuma.io/protocol": "foo"}),
        f'{INBOUND}.tags["kuma.io/protocol"]',
        'tag "kuma.io/protocol" has an invalid value "foo". Allowed values: grpc, http, http2, kafka, tcp',
    ),
    (received(tags={"kuma.io/service": "a", "b": ""}), f'{INBOUND}.tags["b"]', "tag value must be non-empty"),
    (
        received(tags={"kuma.io/service": "a", "b": "c/d"}),
        f'{INBOUND}.tags["b"]',
        "tag value must consist of alphanumeric characters, dots, dashes and underscores",
    ),
    (
        received(tags={"kuma.io/service": "a", "x y": "c"}),
        f'{INBOUND}.tags["x y"]',
        "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores",
    ),
    (received(tags={"kuma.io/service": "a", "": "c"}), f"{INBOUND}.tags", "tag name must be non-empty"),
    *(
        (received(serviceProbe={name: value}), f"{INBOUND}.serviceProbe.{name}", "must have a positive value")
        for name, value in (("interval", "0s"), ("timeout", "0s"), ("unhealthyThreshold", 0), ("healthyThreshold", 0))
    ),
    (sent(tags={"a": "b"}), f"{OUTBOUND}.tags", 'mandatory tag "kuma.io/service" is missing'),
    (sent(tags={"kuma.io/service": "a"}, port=0), f"{OUTBOUND}.port", PORT),
    (
        sent(tags={"kuma.io/service": "a"}, address="a.com"),
        f"{OUTBOUND}.address",
        "address has to be valid IP address",
    ),
    (sent(backendRef={"kind": "MeshGateway", "name": "a", "port": 1}), f"{OUTBOUND}.backendRef.kind", KINDS),
    (
        sent(backendRef={"kind": "MeshService", "port": 1}),
        f"{OUTBOUND}.backendRef",
        "either 'name' or 'labels' should be specified",
    ),
    (sent(backendRef={"kind": "MeshService", "name": "a"}), f"{OUTBOUND}.backendRef.port", PORT),
    (
        sent(backendRef={"kind": "MeshExternalService", "name": "a"}, tags={"kuma.io/service": "a"}),
        f"{OUTBOUND}.backendRef",
        "both backendRef and tags/service cannot be defined",
    ),
    (
        proxy(address="127.0.0.1", admin={"port": 80}),
        "networking.admin.port",
        "must differ from inbound",
    ),
    (
        proxy(outbound=[{"port": 9901, "tags": {"kuma.io/service": "a"}}], admin={"port": 9901}),
        "networking.admin.port",
        "must differ from outbound",
    ),
    (
        proxy(gateway={"tags": {"kuma.io/service": "a"}}),
        "networking.inbound",
        "inbound cannot be defined for delegated gateways",
    ),
    (
        proxy(gateway={"type": "BUILTIN", "tags": {"kuma.io/service": "a"}}),
        "networking.inbound",
        "inbound cannot be defined for builtin gateways",
    ),
    (
        {**edge(type="BUILTIN"), "probes": {"port": 1}},
        "probes",
        "probes cannot be defined for builtin gateways",
    ),
    (edge(tags={"a": "b"}), "networking.gateway.tags", 'mandatory tag "kuma.io/service" is missing'),
    (
        edge(tags={"kuma.io/service": "a", "kuma.io/protocol": "http"}),
        'networking.gateway.tags["kuma.io/protocol"]',
        'other values than tcp are not allowed, provided value "http"',
    ),
    (probed(port=0), "probes.port", PORT),
    (
        probed(endpoints=[{"inboundPort": 1, "inboundPath": "a", "path": "/a"}]),
        "probes.endpoints[0].inboundPath",
        "should be a valid URL Path",
    ),
    (
        {**proxy(), "metrics": {"type": "foo"}},
        "metrics.type",
        'unknown backend type. Available backends: "prometheus"',
    ),
    (reached(kind="Mesh", name="a"), f"{REF}.kind", KINDS),
    (reached(), f"{REF}.name", "name or labels are required"),
    (
        reached(namespace="a", labels={"a": "b"}),
        f"{REF}.name",
        "name is required, when namespace is defined",
    ),
    (
        reached(name="a", labels={"a": "b"}),
        f"{REF}.labels",
        "labels cannot be defined when name is specified",
    ),
]
