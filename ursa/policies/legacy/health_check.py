"""HealthCheck: proxies ask the endpoints of their destinations whether they are well (`spec` §3.10)."""

from __future__ import annotations

from base64 import b64decode

from ursa.ir.cluster import Cluster
from ursa.ir.health_checks import HealthCheck, HttpProbe, Probe, TcpProbe
from ursa.ir.routes import HeaderValue
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "HealthCheck"


def check_health(cluster: Cluster, policy: ConnectionPolicy) -> None:
    """Adds the check to a cluster; without a section for HTTP it is of connections, whatever the protocol."""
    conf: JsonObject = policy.resource.spec.get("conf", {})
    check = HealthCheck(
        _http(conf["http"]) if "http" in conf else _tcp(conf.get("tcp", {})),
        interval=parse_proto(conf["interval"]),
        timeout=parse_proto(conf["timeout"]),
        unhealthy=conf["unhealthyThreshold"],
        healthy=conf["healthyThreshold"],
        initial_jitter=_ns(conf, "initialJitter"),
        interval_jitter=_ns(conf, "intervalJitter"),
        jitter_percent=conf.get("intervalJitterPercent", 0),
        no_traffic_interval=_ns(conf, "noTrafficInterval"),
        reuse_connection=conf.get("reuseConnection"),
        log=conf.get("eventLogPath", ""),
        always_log=conf.get("alwaysLogHealthCheckFailures", False),
    )
    cluster.health_checks.append(check)
    cluster.panic_threshold = conf.get("healthyPanicThreshold", cluster.panic_threshold)
    cluster.fail_traffic_on_panic = conf.get("failTrafficOnPanic", cluster.fail_traffic_on_panic)


def _http(conf: JsonObject) -> Probe:
    headers = tuple(
        HeaderValue(option["header"]["key"], option["header"].get("value", ""), overwrite=not option.get("append"))
        for option in conf.get("requestHeadersToAdd", ())
    )
    return HttpProbe(conf["path"], tuple(conf.get("expectedStatuses", ())), headers)


def _tcp(conf: JsonObject) -> Probe:
    send = conf.get("send")
    return TcpProbe(None if send is None else b64decode(send), tuple(map(b64decode, conf.get("receive", ()))))


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_proto(value)
