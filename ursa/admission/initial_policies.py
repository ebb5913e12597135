"""The policies that every new mesh starts with, so that nothing waits for ever and nothing overloads silently.

Names and values are those of Kuma 2.13 (`spec/rest-api.md` §11), or, where the older generation of policies is wanted,
those of Kuma 2.2: who knows those defaults finds them here too. The two are never mixed, because a policy of the newer
generation would silence its older sibling.
"""

from __future__ import annotations

from collections.abc import Iterator

from ursa.model.json import JsonObject
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.runtime.config.services import Defaults

EVERYTHING = "*"
_MESH: JsonObject = {"kind": "Mesh"}
_LIMITS: JsonObject = {"maxConnections": 1024, "maxPendingRequests": 1024, "maxRetries": 3, "maxRequests": 1024}
_ANYBODY: JsonObject = {
    "sources": [{"match": {"kuma.io/service": "*"}}],
    "destinations": [{"match": {"kuma.io/service": "*"}}],
}


def initial_policies(mesh: Resource, defaults: Defaults) -> Iterator[Resource]:
    """Policies of a new mesh, without those it asks to skip.

    Args:
        mesh: the new Mesh.
        defaults: which generation of policies is wanted, and whether the older routes and permissions are, too.
    """
    skipped = parse_mesh(mesh).skip_initial_policies
    if EVERYTHING in skipped:
        return
    for policy in _policies(mesh.name, defaults):
        if policy.kind not in skipped:
            yield policy


def _policies(mesh: str, defaults: Defaults) -> Iterator[Resource]:
    legacy = defaults.generation == "legacy"
    if not legacy:
        yield Resource("MeshTimeout", mesh, f"mesh-timeout-all-{mesh}", _sidecar_timeouts())
        yield Resource("MeshTimeout", mesh, f"mesh-gateways-timeout-all-{mesh}", _gateway_timeouts())
        circuit = {"targetRef": _MESH, "to": [_to({"connectionLimits": _LIMITS})]}
        yield Resource("MeshCircuitBreaker", mesh, f"mesh-circuit-breaker-all-{mesh}", circuit)
        yield Resource("MeshRetry", mesh, f"mesh-retry-all-{mesh}", {"targetRef": _MESH, "to": [_to(_retries())]})
    if legacy or defaults.create_mesh_routing_resources:
        yield Resource("TrafficPermission", mesh, f"allow-all-{mesh}", _ANYBODY)
        conf: JsonObject = {"loadBalancer": {"roundRobin": {}}, "destination": {"kuma.io/service": "*"}}
        yield Resource("TrafficRoute", mesh, f"route-all-{mesh}", {**_ANYBODY, "conf": conf})
    if legacy:
        yield Resource("Timeout", mesh, f"timeout-all-{mesh}", {**_ANYBODY, "conf": _legacy_timeouts()})
        circuit = {**_ANYBODY, "conf": {"thresholds": _LIMITS}}
        yield Resource("CircuitBreaker", mesh, f"circuit-breaker-all-{mesh}", circuit)
        yield Resource("Retry", mesh, f"retry-all-{mesh}", {**_ANYBODY, "conf": _legacy_retries()})


def _to(default: JsonObject) -> JsonObject:
    return {"targetRef": _MESH, "default": default}


def _sidecar_timeouts() -> JsonObject:
    outbound = {
        "connectionTimeout": "5s",
        "idleTimeout": "1h0m0s",
        "http": {"requestTimeout": "15s", "streamIdleTimeout": "30m0s"},
    }
    inbound = {
        "connectionTimeout": "10s",
        "idleTimeout": "2h0m0s",
        "http": {"requestTimeout": "0s", "streamIdleTimeout": "1h0m0s", "maxStreamDuration": "0s"},
    }
    target = {"kind": "Mesh", "proxyTypes": ["Sidecar"]}
    return {"targetRef": target, "to": [_to(outbound)], "from": [_to(inbound)]}


def _gateway_timeouts() -> JsonObject:
    outbound = {"idleTimeout": "1h0m0s", "http": {"streamIdleTimeout": "5s"}}
    inbound = {"idleTimeout": "5m0s", "http": {"streamIdleTimeout": "5s", "requestHeadersTimeout": "500ms"}}
    target = {"kind": "Mesh", "proxyTypes": ["Gateway"]}
    return {"targetRef": target, "to": [_to(outbound)], "from": [_to(inbound)]}


def _retries() -> JsonObject:
    requests = {
        "numRetries": 5,
        "perTryTimeout": "16s",
        "backOff": {"baseInterval": "25ms", "maxInterval": "250ms"},
    }
    return {"tcp": {"maxConnectAttempt": 5}, "http": requests, "grpc": requests}


def _legacy_timeouts() -> JsonObject:
    return {
        "connectTimeout": "5s",
        "tcp": {"idleTimeout": "3600s"},
        "http": {"requestTimeout": "15s", "idleTimeout": "3600s", "streamIdleTimeout": "1800s"},
    }


def _legacy_retries() -> JsonObject:
    requests = {
        "numRetries": 5,
        "perTryTimeout": "16s",
        "backOff": {"baseInterval": "0.025s", "maxInterval": "0.250s"},
    }
    return {"http": requests, "tcp": {"maxConnectAttempts": 5}, "grpc": requests}
