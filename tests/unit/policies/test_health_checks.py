"""Which checks of health clusters get from policies of both generations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policies.building import cluster, connection_policy, outbound, policy, rules_of
from ursa.ir.cluster import Cluster
from ursa.ir.health_checks import GrpcProbe, HealthCheck, HttpProbe, Probe, TcpProbe
from ursa.ir.routes import HeaderValue
from ursa.policies.legacy.health_check import check_health
from ursa.policies.mesh_health_check.effect import MeshHealthCheckPlugin

SECOND = 10**9
TAGS = HeaderValue("x-kuma-tags", "&kuma.io/service=web&")


def checked(protocol: str, *confs: Any) -> Cluster:
    """A cluster after a MeshHealthCheck, the last conf being the strongest."""
    target = outbound(protocol)
    to = [{"targetRef": {"kind": "Mesh"}, "default": conf} for conf in confs]
    MeshHealthCheckPlugin().outbound(target, rules_of(policy("MeshHealthCheck", to=to)))
    return target.clusters[0]


PROBES = [
    ("http", {"http": {}}, HttpProbe("/", headers=(TAGS,))),
    ("http2", {"http": {"path": "/h"}}, HttpProbe("/h", headers=(TAGS,), http2=True)),
    ("grpc", {"grpc": {"serviceName": "s", "authority": "a"}}, GrpcProbe("s", "a")),
    ("tcp", {"tcp": {}}, TcpProbe()),
    ("tcp", {"tcp": {"send": "Zm9v", "receive": ["YQ=="]}}, TcpProbe(b"Zm9v", (b"YQ==",))),
    ("http", {"http": {"disabled": True}, "tcp": {}}, TcpProbe()),
    ("grpc", {"grpc": {"disabled": True}, "tcp": {}}, TcpProbe()),
]


@pytest.mark.parametrize(("protocol", "conf", "probe"), PROBES)
def test_the_protocol_decides_how_it_is_asked(protocol: str, conf: Any, probe: Probe) -> None:
    (check,) = checked(protocol, conf).health_checks
    assert check == HealthCheck(probe, 60 * SECOND, 15 * SECOND, unhealthy=5, healthy=1)


@pytest.mark.parametrize(
    ("protocol", "conf"),
    [
        ("http", {"tcp": {}}),
        ("kafka", {"tcp": {}}),
        ("http", {"http": {"disabled": True}}),
        ("tcp", {"tcp": {"disabled": True}}),
        ("grpc", {"http": {}}),
    ],
)
def test_what_fits_no_section_is_not_asked(protocol: str, conf: Any) -> None:
    assert checked(protocol, conf).health_checks == []


def test_headers_with_lists_are_one_entry_per_value() -> None:
    headers = {"add": [{"name": "a", "value": "1,2"}], "set": [{"name": "b", "value": "3"}]}
    (check,) = checked("http", {"http": {"requestHeadersToAdd": headers}}).health_checks
    expected = (HeaderValue("a", "1"), HeaderValue("a", "2"), HeaderValue("b", "3", overwrite=True))
    assert check.probe == HttpProbe("/", headers=(TAGS, *expected))


def test_panic_is_set_without_a_check_too() -> None:
    found = checked("http", {"tcp": {}, "healthyPanicThreshold": "12.5", "failTrafficOnPanic": True})
    assert (found.panic_threshold, found.fail_traffic_on_panic) == (12.5, True)


def test_the_older_check_stands_beside_the_newer() -> None:
    conf = {"interval": "10s", "timeout": "2s", "unhealthyThreshold": 3, "healthyThreshold": 1}
    target = outbound("http")
    check_health(target.clusters[0], connection_policy("HealthCheck", conf))
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {}}}]
    MeshHealthCheckPlugin().outbound(target, rules_of(policy("MeshHealthCheck", to=to)))
    assert [check.probe for check in target.clusters[0].health_checks] == [
        TcpProbe(),
        HttpProbe("/", headers=(TAGS,)),
    ]


def test_the_older_check_sends_the_bytes_that_are_meant() -> None:
    conf = {
        "interval": "10s",
        "timeout": "2s",
        "unhealthyThreshold": 3,
        "healthyThreshold": 1,
        "tcp": {"send": "Zm9v", "receive": ["YQ=="]},
    }
    found = cluster()
    check_health(found, connection_policy("HealthCheck", conf))
    assert found.health_checks[0].probe == TcpProbe(b"foo", (b"a",))
