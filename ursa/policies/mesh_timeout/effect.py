"""MeshTimeout: connect, idle, request and stream timeouts on listeners, routes and clusters (`spec` §3.6)."""

from __future__ import annotations

from collections.abc import Callable

from ursa.ir.cluster import Cluster
from ursa.ir.listener import FilterChain, Listener
from ursa.ir.routes import Forward, Route
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.matching import inbound_conf
from ursa.policies.core.policy import Policy
from ursa.policies.plugin import DestinationRules, InboundTarget, OutboundTarget, PolicyPlugin

SECOND = 10**9
CONNECT = 5 * SECOND
IDLE = 3600 * SECOND
REQUEST = 15 * SECOND
STREAM_IDLE = 1800 * SECOND
"""What counts where a policy applies and leaves a value open."""

EDGE_IDLE = 300 * SECOND
EDGE_STREAM_IDLE = 5 * SECOND
EDGE_HEADERS = SECOND // 2
"""The same for clients of gateways."""

_WITH_HTTP_OPTIONS = frozenset({"http", "http2"})


class MeshTimeoutPlugin(PolicyPlugin):
    """Writes timeouts; inbounds and clusters get the built-in values even without any policy, as in Kuma."""

    kind = "MeshTimeout"

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        found = inbound_conf(policies)
        conf: JsonObject = {} if found is None else found.conf
        _on_listener(target.listener, conf, lambda route: conf)
        _on_cluster(target.cluster, conf, target.protocol)

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        # Without any policy outbounds to tag services have no timeouts, those to real ones the built-in ones.
        nothing: JsonObject | None = {} if target.resource_origin else None
        conf = rules.conf(target)
        _on_listener(
            target.listener,
            nothing if conf is None else conf,
            lambda route: nothing if (own := rules.route_conf(target, route)) is None else own,
        )
        for cluster in target.clusters:
            _on_cluster(cluster, rules.conf(cluster) or {}, cluster.protocol)

    def gateway(self, target: OutboundTarget, rules: DestinationRules, policies: tuple[Policy, ...]) -> None:
        clients = inbound_conf(policies)
        for chain in target.listener.chains:
            if clients is not None:
                _on_clients(chain, clients.conf)
            for route, forward in () if chain.http is None else chain.http.route_config.forwarding:
                if (own := rules.route_conf(target, route)) is not None:
                    _on_route(forward, own.get("http") or {})
        for cluster in target.clusters:
            conf = rules.conf(cluster)
            # As on sidecars, real services have timeouts whether a policy says so or not.
            if conf is not None or cluster.resource_origin:
                _on_cluster(cluster, conf or {}, cluster.protocol)


def _on_clients(chain: FilterChain, conf: JsonObject) -> None:
    """Timeouts of what comes from outside of the mesh."""
    http: JsonObject = conf.get("http") or {}
    if (manager := chain.http) is not None:
        manager.idle_timeout = _ns(conf, "idleTimeout", EDGE_IDLE)
        manager.request_headers_timeout = _ns(http, "requestHeadersTimeout", EDGE_HEADERS)
        manager.stream_idle_timeout = _ns(http, "streamIdleTimeout", EDGE_STREAM_IDLE)
        if "requestTimeout" in http:
            manager.request_timeout = parse_go(http["requestTimeout"])
    elif (proxy := chain.tcp) is not None:
        proxy.idle_timeout = _ns(conf, "idleTimeout", EDGE_IDLE)


def _on_listener(listener: Listener, conf: JsonObject | None, of: Callable[[Route], JsonObject | None]) -> None:
    """Args: conf: what counts for the listener as a whole; of: for single routes. None leaves things as they are."""
    for chain in listener.chains:
        if (manager := chain.http) is not None:
            if conf is not None:
                # The idle timeout of HTTP connections lives on the cluster.
                manager.idle_timeout = 0
                manager.request_headers_timeout = _ns(conf.get("http") or {}, "requestHeadersTimeout", 0)
            for route, forward in manager.route_config.forwarding:
                if (own := of(route)) is not None:
                    _on_route(forward, own.get("http") or {})
        elif (proxy := chain.tcp) is not None and conf is not None:
            proxy.idle_timeout = _ns(conf, "idleTimeout", IDLE)


def _on_route(forward: Forward, http: JsonObject) -> None:
    forward.timeout = _ns(http, "requestTimeout", REQUEST)
    present = STREAM_IDLE if forward.idle_timeout is None else forward.idle_timeout
    forward.idle_timeout = _ns(http, "streamIdleTimeout", present)


def _on_cluster(cluster: Cluster, conf: JsonObject, protocol: str) -> None:
    cluster.connect_timeout = _ns(conf, "connectionTimeout", CONNECT)
    if protocol in _WITH_HTTP_OPTIONS and cluster.http is not None:
        http: JsonObject = conf.get("http") or {}
        cluster.http.idle_timeout = _ns(conf, "idleTimeout", IDLE)
        cluster.http.max_connection_duration = _ns(http, "maxConnectionDuration", 0)
        cluster.http.max_stream_duration = _ns(http, "maxStreamDuration", 0)


def _ns(conf: JsonObject, field: str, default: int) -> int:
    value = conf.get(field)
    return default if value is None else parse_go(value)
