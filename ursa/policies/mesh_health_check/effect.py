"""MeshHealthCheck: proxies ask the endpoints of their destinations whether they are well (`spec` §3.7)."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.ir.cluster import Cluster
from ursa.ir.health_checks import GrpcProbe, HealthCheck, HttpProbe, Probe, TcpProbe
from ursa.ir.naming import TAGS_HEADER
from ursa.ir.routes import HeaderValue
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.plugin import DestinationRules, OutboundTarget, PolicyPlugin

KIND = "MeshHealthCheck"
SECOND = 10**9
INTERVAL = 60 * SECOND
TIMEOUT = 15 * SECOND
UNHEALTHY, HEALTHY = 5, 1
"""What counts where a policy leaves a value open."""


class MeshHealthCheckPlugin(PolicyPlugin):
    """Adds a check to clusters, beside one that a HealthCheck put there."""

    kind = KIND

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        for cluster in target.clusters:
            conf = rules.conf(cluster)
            if conf is not None:
                _on_cluster(cluster, conf, target.source_tags)


def _on_cluster(cluster: Cluster, conf: JsonObject, source_tags: str) -> None:
    probe = _probe(conf, cluster.protocol, source_tags)
    if probe is not None:
        cluster.health_checks.append(_check(conf, probe))
    if (threshold := conf.get("healthyPanicThreshold")) is not None:
        cluster.panic_threshold = float(threshold)
    if (fail := conf.get("failTrafficOnPanic")) is not None:
        cluster.fail_traffic_on_panic = fail


def _check(conf: JsonObject, probe: Probe) -> HealthCheck:
    log = conf.get("eventLogPath") or ""
    return HealthCheck(
        probe,
        interval=_ns(conf, "interval") or INTERVAL,
        timeout=_ns(conf, "timeout") or TIMEOUT,
        unhealthy=conf.get("unhealthyThreshold") or UNHEALTHY,
        healthy=conf.get("healthyThreshold") or HEALTHY,
        initial_jitter=_ns(conf, "initialJitter"),
        interval_jitter=_ns(conf, "intervalJitter"),
        jitter_percent=conf.get("intervalJitterPercent") or 0,
        no_traffic_interval=_ns(conf, "noTrafficInterval"),
        reuse_connection=conf.get("reuseConnection"),
        log=log,
        log_by_sink=bool(log),
        always_log=bool(conf.get("alwaysLogHealthCheckFailures")),
    )


def _probe(conf: JsonObject, protocol: str, source_tags: str) -> Probe | None:
    """The probe for a protocol; a connection is tried where that is all there is, or what is above it is disabled."""
    name = {"http": "http", "http2": "http", "grpc": "grpc", "tcp": "tcp"}.get(protocol)
    section: JsonObject | None = None if name is None else conf.get(name)
    if section is not None and section.get("disabled") and name != "tcp":
        name, section = "tcp", conf.get("tcp")
    if section is None or section.get("disabled"):
        return None
    match name:
        case "http":
            headers = (HeaderValue(TAGS_HEADER, source_tags), *_headers(section.get("requestHeadersToAdd") or {}))
            statuses = tuple(section.get("expectedStatuses") or ())
            return HttpProbe(section.get("path") or "/", statuses, headers, protocol == "http2")
        case "grpc":
            return GrpcProbe(section.get("serviceName") or "", section.get("authority") or "")
        case _:
            # Kuma sends the text as it stands although it is meant to be base64; both sorts of zones must ask the same.
            send = section.get("send")
            received: list[str] = section.get("receive") or []
            return TcpProbe(None if send is None else send.encode(), tuple(text.encode() for text in received))


def _headers(conf: JsonObject) -> Iterator[HeaderValue]:
    for name, overwrite in (("add", False), ("set", True)):
        for header in conf.get(name) or ():
            for value in header["value"].split(","):
                yield HeaderValue(header["name"], value, overwrite)


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_go(value)
