"""What source/destination policies do to outbounds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policies.building import connection_policy, mesh, outbound
from ursa.envoy.outliers import outlier_detection
from ursa.ir.cluster import Consecutive, SuccessRate, Thresholds
from ursa.ir.listener import HttpConnectionManager, HttpRateLimit, TcpProxy
from ursa.policies.legacy.matching import ConnectionPolicy, FromSource
from ursa.policies.legacy.outbounds import OutboundPolicies, ServicePolicies, adjust_outbound, outbound_policies
from ursa.policies.plugin import OutboundTarget

SECOND = 10**9
WEB = ({"kuma.io/service": "web"},)


def adjusted(protocol: str, *, outside: bool = False, **policies: Any) -> OutboundTarget:
    target = outbound(protocol)
    adjust_outbound(target, OutboundPolicies(**policies), mesh(), outside=outside)
    return target


def http(target: OutboundTarget) -> HttpConnectionManager:
    found = target.listener.chains[0].http
    assert found is not None
    return found


def tcp(target: OutboundTarget) -> TcpProxy:
    found = target.listener.chains[0].tcp
    assert found is not None
    return found


def breaker(conf: Any) -> OutboundTarget:
    policy = connection_policy("CircuitBreaker", conf)
    return adjusted("http", services=(("backend", ServicePolicies(breaker=policy)),))


def test_a_policy_without_limits_leaves_those_of_envoy() -> None:
    (cluster,) = breaker({"detectors": {"totalErrors": {}, "standardDeviation": {"factor": 1.9}}}).clusters
    assert cluster.thresholds is None
    assert cluster.outliers is not None
    assert cluster.outliers.consecutive_5xx == Consecutive()
    assert cluster.outliers.success_rate == SuccessRate(stdev_factor=1900)


def test_a_policy_without_detectors_switches_them_off() -> None:
    (cluster,) = breaker({"thresholds": {"maxConnections": 2}}).clusters
    assert cluster.thresholds == Thresholds(max_connections=2, track_remaining=False)
    assert cluster.outliers is not None
    fields = outlier_detection(cluster.outliers)
    enforced = {name: value["value"] for name, value in fields.items() if name.startswith("enforcing")}
    assert set(enforced.values()) == {0}
    assert "enforcing_local_origin_success_rate" not in enforced


RETRIES = [
    ("http", {"http": {"numRetries": 1}}, "gateway-error,connect-failure,refused-stream", ()),
    ("http", {"http": {"retryOn": ["all_5xx", "reset"]}}, "5xx,reset", ()),
    (
        "http",
        {"http": {"retryOn": ["reset"], "retriableStatusCodes": [401]}},
        "reset,retriable-status-codes",
        (401,),
    ),
    (
        "http",
        {"http": {"retryOn": ["retriable_status_codes"], "retriableStatusCodes": [401]}},
        "retriable-status-codes",
        (401,),
    ),
    ("grpc", {"grpc": {"retryOn": ["deadline_exceeded"]}}, "deadline-exceeded", ()),
]


@pytest.mark.parametrize(("protocol", "conf", "retry_on", "codes"), RETRIES)
def test_requests_are_tried_again_as_the_virtual_host_says(
    protocol: str, conf: Any, retry_on: str, codes: tuple[int, ...]
) -> None:
    found = http(adjusted(protocol, retry=connection_policy("Retry", conf))).route_config.virtual_hosts[0].retry
    assert found is not None
    assert (found.retry_on, found.status_codes) == (retry_on, codes)


def test_http2_is_not_tried_again_and_kafka_neither() -> None:
    retry = connection_policy("Retry", {"http": {"numRetries": 1}, "tcp": {"maxConnectAttempts": 3}})
    assert http(adjusted("http2", retry=retry)).route_config.virtual_hosts[0].retry is None
    assert tcp(adjusted("kafka", retry=retry)).max_connect_attempts is None
    assert tcp(adjusted("tcp", retry=retry)).max_connect_attempts == 3


def test_timeouts_reach_streams_requests_and_clusters() -> None:
    conf = {
        "connectTimeout": "1s",
        "http": {"requestTimeout": "2s", "streamIdleTimeout": "3s", "idleTimeout": "4s", "maxStreamDuration": "5s"},
        "tcp": {"idleTimeout": "6s"},
    }
    timeout = connection_policy("Timeout", conf)
    target = adjusted("http", timeout=timeout)
    (cluster,) = target.clusters
    assert cluster.connect_timeout == SECOND
    assert cluster.http is not None
    assert (cluster.http.idle_timeout, cluster.http.max_stream_duration) == (4 * SECOND, 5 * SECOND)
    assert http(target).stream_idle_timeout == 3 * SECOND
    assert [f.timeout for _, f in http(target).route_config.forwarding] == [2 * SECOND]
    assert tcp(adjusted("tcp", timeout=timeout)).idle_timeout == 6 * SECOND


def test_streams_of_grpc_have_a_section_of_their_own_without_one_for_http() -> None:
    timeout = connection_policy("Timeout", {"grpc": {"streamIdleTimeout": "7s"}})
    assert http(adjusted("grpc", timeout=timeout)).stream_idle_timeout == 7 * SECOND
    assert http(adjusted("http", timeout=timeout)).stream_idle_timeout == 0


def test_only_servers_outside_are_spared_by_the_client() -> None:
    limit = connection_policy("RateLimit", {"http": {"requests": 1, "interval": "1s"}})
    inside, outside = (adjusted("http", rate_limit=limit, outside=far) for far in (False, True))
    assert all(isinstance(http(t).http_filters[0], HttpRateLimit) for t in (inside, outside))
    assert [route.rate_limit is None for route, _ in http(inside).route_config.forwarding] == [True]
    assert [route.rate_limit is None for route, _ in http(outside).route_config.forwarding] == [False]


def test_nothing_counts_in_a_mesh_without_traffic_routes() -> None:
    policies = {"Timeout": (connection_policy("Timeout", {"connectTimeout": "1s"}),)}
    assert outbound_policies(policies, WEB, {"backend"})("backend") == OutboundPolicies()


def test_clusters_of_routes_have_the_policies_of_their_own_service() -> None:
    split = [{"weight": 1, "destination": {"kuma.io/service": service}} for service in ("backend", "other", "unknown")]
    breakers = [_named("CircuitBreaker", {"thresholds": {"maxRetries": 1}}, s) for s in ("backend", "other", "unknown")]
    policies = {"TrafficRoute": [connection_policy("TrafficRoute", {"split": split})], "CircuitBreaker": breakers}
    found = outbound_policies(policies, WEB, {"backend", "other"})("backend")
    assert found.services == (("backend", ServicePolicies(breakers[0])), ("other", ServicePolicies(breakers[1])))


def _named(kind: str, conf: Any, service: str) -> ConnectionPolicy:
    return connection_policy(kind, conf, destination=service, name=service)


def test_a_destination_is_looked_up_among_the_policies_that_can_be_for_it() -> None:
    named = _named("Retry", {"tcp": {"maxConnectAttempts": 1}}, "backend")
    anything = connection_policy("Retry", {"tcp": {"maxConnectAttempts": 2}}, destination="*")
    for_web = connection_policy("Retry", {"tcp": {"maxConnectAttempts": 3}}, {"kuma.io/service": "web", "team": "a"})
    retries = FromSource([anything, for_web, named], WEB)
    assert (retries.to("backend"), retries.to("other")) == (named, anything)
    assert FromSource([anything, for_web, named], ({"kuma.io/service": "web", "team": "a"},)).to("backend") is for_web


def test_a_destination_is_known_by_its_service_alone() -> None:
    limit = {"http": {"requests": 1, "interval": "1s"}}
    narrow = [{"match": {"kuma.io/service": "backend", "version": "v1"}}]
    assert FromSource([connection_policy("RateLimit", limit, destinations=narrow)], WEB).to("backend") is None
