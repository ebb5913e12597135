"""What health discovery asks of an Envoy and what its answers mean for the inbounds of a Dataplane. Pure functions.

An inbound is ready when its probe is good *and* Envoy's own admin says ready; a draining Envoy makes every inbound not
ready, probed or not (`spec/dataplane.md` §4.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3 import health_check_pb2
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.service.health.v3 import hds_pb2

from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject

ADMIN_CLUSTER = "kuma:envoy:admin"
UNIFIED_ADMIN_CLUSTER = "system_envoy_admin"
LOOPBACK = frozenset({"127.0.0.1", "::1"})
PROXY_SOURCE = "127.0.0.6"
"""Source address that a transparent proxy lets through to the workload."""

GOOD = frozenset({HealthStatus.HEALTHY, HealthStatus.UNKNOWN})
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CheckDefaults:
    """Settings `dpServer.hds.*`; durations in seconds."""

    interval: float = 5.0
    timeout: float = 2.0
    check_interval: float = 1.0
    no_traffic_interval: float = 1.0
    healthy_threshold: int = 1
    unhealthy_threshold: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """Where the workload behind an inbound listens."""

    address: str
    port: int

    @property
    def cluster(self) -> str:
        """Name of the health-checked cluster."""
        return f"localhost:{self.port}"


def workload_of(inbound: JsonObject, networking: JsonObject) -> Workload:
    """The workload behind an inbound; addresses default to where the proxy binds."""
    address = inbound.get("serviceAddress") or inbound.get("address") or networking.get("address", "")
    return Workload(str(address), int(inbound.get("servicePort") or inbound["port"]))


def specifier(
    spec: JsonObject, defaults: CheckDefaults, *, admin_port: int, unified: bool, transparent: bool
) -> hds_pb2.HealthCheckSpecifier:
    """The checks for the proxy of a Dataplane with this spec."""
    result = hds_pb2.HealthCheckSpecifier()
    _duration(result.interval, defaults.interval)
    admin = result.cluster_health_checks.add(cluster_name=UNIFIED_ADMIN_CLUSTER if unified else ADMIN_CLUSTER)
    _endpoint(admin, "127.0.0.1", admin_port)
    _check(admin, {}, defaults).http_health_check.path = "/ready"
    networking = spec.get("networking", {})
    for inbound in networking.get("inbound", ()):
        if "serviceProbe" not in inbound:
            continue
        workload = workload_of(inbound, networking)
        cluster = result.cluster_health_checks.add(cluster_name=workload.cluster)
        _endpoint(cluster, workload.address, workload.port)
        _check(cluster, inbound["serviceProbe"], defaults).tcp_health_check.SetInParent()
        if transparent and workload.address not in LOOPBACK:
            cluster.upstream_bind_config.source_address.address = PROXY_SOURCE
    return result


def apply_report(spec: JsonObject, report: Mapping[str, bool]) -> JsonObject:
    """The spec with `state` and `health` of its inbounds as the report says; the same object when nothing changes.

    Args:
        spec: of the Dataplane.
        report: whether the endpoint of a health-checked cluster is good, by cluster name.
    """
    networking = spec.get("networking", {})
    admin_ready = all(report.get(name, True) for name in (ADMIN_CLUSTER, UNIFIED_ADMIN_CLUSTER))
    inbounds = [_with_health(i, networking, report, admin_ready) for i in networking.get("inbound", ())]
    if inbounds == list(networking.get("inbound", ())):
        return spec
    return {**spec, "networking": {**networking, "inbound": inbounds}}


def read_report(response: hds_pb2.EndpointHealthResponse) -> dict[str, bool]:
    """Whether all endpoints of each reported cluster are good."""
    return {
        cluster.cluster_name: all(
            endpoint.health_status in GOOD
            for locality in cluster.locality_endpoints_health
            for endpoint in locality.endpoints_health
        )
        for cluster in response.cluster_endpoints_health
    }


def _with_health(
    inbound: dict[str, Any], networking: JsonObject, report: Mapping[str, bool], admin_ready: bool
) -> dict[str, Any]:
    if inbound.get("state") == "Ignored":
        return inbound
    cluster = workload_of(inbound, networking).cluster
    if "serviceProbe" in inbound and admin_ready and cluster not in report:
        return inbound  # not checked yet: keep what is known
    ready = admin_ready and ("serviceProbe" not in inbound or report[cluster])
    rest = {k: v for k, v in inbound.items() if k not in ("state", "health")}
    if ready:
        was_ready = inbound.get("state", "Ready") == "Ready" and inbound.get("health", {"ready": True}).get("ready")
        return inbound if was_ready else {**rest, "health": {"ready": True}}
    return {**rest, "state": "NotReady", "health": {}}


def _check(
    cluster: hds_pb2.ClusterHealthCheck, probe: JsonObject, defaults: CheckDefaults
) -> health_check_pb2.HealthCheck:
    check = cluster.health_checks.add()
    _duration(check.timeout, _probe_seconds(probe, "timeout", defaults.timeout))
    _duration(check.interval, _probe_seconds(probe, "interval", defaults.check_interval))
    _duration(check.no_traffic_interval, defaults.no_traffic_interval)
    check.unhealthy_threshold.value = int(probe.get("unhealthyThreshold", defaults.unhealthy_threshold))
    check.healthy_threshold.value = int(probe.get("healthyThreshold", defaults.healthy_threshold))
    return check


def _endpoint(cluster: hds_pb2.ClusterHealthCheck, address: str, port: int) -> None:
    endpoint = cluster.locality_endpoints.add().endpoints.add()
    endpoint.address.socket_address.address = address
    endpoint.address.socket_address.port_value = port


def _probe_seconds(probe: JsonObject, key: str, default: float) -> float:
    return parse_proto(probe[key]) / NANOSECONDS if key in probe else default


def _duration(target: Any, seconds: float) -> None:
    target.FromNanoseconds(round(seconds * NANOSECONDS))
