"""Policies as they are read, and the parts of a plan that they adjust."""

from __future__ import annotations

from typing import Any

from ursa.catalog import default_registry
from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, STATIC, Cluster, HttpOptions
from ursa.ir.listener import FilterChain, HttpConnectionManager, HttpFilter, Listener, Router, TcpProxy
from ursa.ir.routes import Forward, Route, RouteConfig, RouteMatch, VirtualHost, WeightedCluster
from ursa.model.forms import from_rest
from ursa.model.mesh import Mesh, parse_mesh
from ursa.policies.core.collectors import Collectors
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.real_rules import RealRules
from ursa.policies.core.speaker import Logbook, Speaker
from ursa.policies.legacy.matching import ConnectionPolicy, parse_connection_policy
from ursa.policies.plugin import DestinationRules, InboundTarget, OutboundTarget

REGISTRY = default_registry()
_TO = (WeightedCluster("localhost:8080", 1),)


SPEAKER = Speaker("web", "10.0.0.1", "default", "/run/kuma-al-web-1-default.sock")


def mesh(**spec: Any) -> Mesh:
    """The mesh `default`."""
    return parse_mesh(from_rest({"type": "Mesh", "name": "default", **spec}, REGISTRY))


def logbook() -> Logbook:
    """An empty logbook of a proxy of the service `web`."""
    return Logbook(SPEAKER, Collectors(origins.ACCESS_LOG))


def policy(kind: str, name: str = "p", **spec: Any) -> Policy:
    """A targetRef policy of the mesh `default`."""
    document = {"type": kind, "mesh": "default", "name": name, "spec": {"targetRef": {"kind": "Mesh"}, **spec}}
    return parse_policy(from_rest(document, REGISTRY), REGISTRY[kind])


def connection_policy(
    kind: str, conf: Any, *sources: dict[str, str], destination: str = "*", **more: Any
) -> ConnectionPolicy:
    """A source/destination policy; from everybody when no sources are given."""
    document = {
        "type": kind,
        "mesh": "default",
        "name": "p",
        "sources": [{"match": source} for source in sources or ({"kuma.io/service": "*"},)],
        "destinations": [{"match": {"kuma.io/service": destination}}],
        "conf": conf,
        **more,
    }
    return parse_connection_policy(from_rest(document, REGISTRY))


def inbound(protocol: str = "http") -> InboundTarget:
    """An inbound as the generators leave it, without mTLS."""
    http = protocol in ("http", "http2", "grpc")
    chain = FilterChain([manager()] if http else [TcpProxy("localhost_8080", _TO)])
    address = SocketAddress("10.0.0.1", 8080)
    listener = Listener("inbound:10.0.0.1:8080", address, origins.INBOUND, [chain], protocol=protocol)
    cluster = Cluster("localhost:8080", STATIC, origins.INBOUND, http=HttpOptions(1) if http else None)
    return InboundTarget(listener, cluster, protocol, "default", logbook())


def manager() -> HttpConnectionManager:
    """An HTTP connection manager with one route for everything."""
    host = VirtualHost("backend", [Route(RouteMatch("/"), Forward(_TO, timeout=0))])
    return HttpConnectionManager("localhost_8080", RouteConfig("inbound:backend", [host]), [Router()])


def http_of(target: InboundTarget) -> HttpConnectionManager:
    """The HTTP connection manager of an inbound."""
    found = target.listener.chains[0].http
    assert found is not None
    return found


def filters_of(target: InboundTarget) -> list[HttpFilter]:
    """The HTTP filters of an inbound, in order."""
    return http_of(target).http_filters


def routes_of(target: InboundTarget) -> list[Route]:
    """The routes of an inbound, in order."""
    return http_of(target).route_config.virtual_hosts[0].routes


def cluster(protocol: str = "http") -> Cluster:
    """The cluster of the service `backend`."""
    tags = {"kuma.io/service": "backend"}
    return Cluster("backend", EDS, origins.OUTBOUND, http=HttpOptions(2), tags=tags, protocol=protocol)


def outbound(protocol: str = "http") -> OutboundTarget:
    """An outbound to the service `backend` as the generators leave it."""
    http = protocol in ("http", "http2", "grpc")
    chain = FilterChain([manager()] if http else [TcpProxy("backend", _TO)])
    address = SocketAddress("10.0.0.1", 10001)
    listener = Listener("outbound:10.0.0.1:10001", address, origins.OUTBOUND, [chain], protocol=protocol)
    tags = {"kuma.io/service": "backend"}
    source_tags = "&kuma.io/service=web&"
    return OutboundTarget(listener, (cluster(protocol),), protocol, tags, source_tags=source_tags, logbook=logbook())


def rules_of(*policies: Policy) -> DestinationRules:
    """The rules of policies, given in ascending strength, for tag services."""
    return DestinationRules(destination_rules(policies), RealRules())
