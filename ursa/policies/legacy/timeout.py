"""Timeout: of connections, requests and streams to a destination (`spec` §3.9).

What a MeshTimeout has a value of its own for even where none applies, it overwrites afterwards, as in Kuma.
"""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "Timeout"
GRPC = "grpc"


def time_out(listener: Listener, clusters: Iterable[Cluster], protocol: str, policy: ConnectionPolicy | None) -> None:
    """Writes the timeouts on an outbound and what it leads to; without a policy there is none for idle connections."""
    conf: JsonObject = {} if policy is None else policy.resource.spec.get("conf", {})
    http: JsonObject = conf.get("http", {})
    streams: JsonObject = conf.get(GRPC, {}) if protocol == GRPC and "http" not in conf else http
    for chain in listener.chains:
        if (manager := chain.http) is not None:
            manager.stream_idle_timeout = _ns(streams, "streamIdleTimeout") or 0
            for _, forward in manager.route_config.forwarding:
                forward.timeout = _ns(http, "requestTimeout") or 0
        elif (proxy := chain.tcp) is not None:
            proxy.idle_timeout = _ns(conf.get("tcp", {}), "idleTimeout")
    for cluster in clusters:
        if "connectTimeout" in conf:
            cluster.connect_timeout = parse_proto(conf["connectTimeout"])
        if cluster.http is not None and listener.chains[0].http is not None:
            cluster.http.idle_timeout = _ns(http, "idleTimeout") or 0
            cluster.http.max_stream_duration = _ns(streams, "maxStreamDuration")


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_proto(value)
