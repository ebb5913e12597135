"""Rate limits on inbounds, of both generations."""

from __future__ import annotations

from typing import Any

from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from google.protobuf.any_pb2 import Any as Packed

from tests.unit.policies.building import connection_policy, filters_of, inbound, policy, routes_of
from ursa.envoy.rate_limits import FILTER, route_rate_limit
from ursa.ir.listener import ConnectionRateLimit, HttpRateLimit, Router, TcpProxy
from ursa.ir.rate_limits import TokenBucket
from ursa.ir.routes import HeaderValue, RateLimit
from ursa.policies.core.policy import Policy
from ursa.policies.legacy.rate_limit import limit_requests
from ursa.policies.mesh_rate_limit.effect import MeshRateLimitPlugin

SECOND = 10**9
RATE = {"num": 5, "interval": "10s"}
BUCKET = TokenBucket(5, 10 * SECOND)


def rules(local: Any) -> Policy:
    return policy("MeshRateLimit", rules=[{"default": {"local": local}}])


def test_the_filter_stands_in_front_of_the_router_and_the_limit_on_every_route() -> None:
    target = inbound()
    headers = {"add": [{"name": "x-a", "value": "1,2"}], "set": [{"name": "x-b", "value": "1,2"}]}
    http = {"requestRate": RATE, "onRateLimit": {"status": 423, "headers": headers}}
    MeshRateLimitPlugin().inbound(target, (rules({"http": http}),))
    assert filters_of(target) == [HttpRateLimit(), Router()]
    expected = (
        HeaderValue("x-a", "1,2"),
        HeaderValue("x-b", "1", overwrite=True),
        HeaderValue("x-b", "2"),
    )
    assert [route.rate_limit for route in routes_of(target)] == [RateLimit(BUCKET, 423, expected)]


def test_connections_are_limited_before_everything_whatever_the_protocol() -> None:
    for protocol in ("http", "tcp"):
        target = inbound(protocol)
        MeshRateLimitPlugin().inbound(target, (rules({"tcp": {"connectionRate": RATE}}),))
        assert target.listener.chains[0].filters[0] == ConnectionRateLimit(BUCKET)
        assert target.listener.chains[0].http is None or filters_of(target) == [Router()]


def test_a_stronger_policy_may_switch_a_limit_off() -> None:
    both = {"http": {"requestRate": RATE}, "tcp": {"connectionRate": RATE}}
    off = {"http": {"disabled": True}, "tcp": {"disabled": True}}
    target = inbound("tcp")
    MeshRateLimitPlugin().inbound(target, (rules(both), rules(off)))
    assert all(isinstance(f, TcpProxy) for f in target.listener.chains[0].filters)
    target = inbound()
    MeshRateLimitPlugin().inbound(target, (rules(both), rules(off)))
    assert filters_of(target) == [Router()]


def test_older_limits_are_per_source_and_switch_the_newer_off() -> None:
    conf = {"http": {"requests": 5, "interval": "10s", "onRateLimit": {"status": 423, "headers": [_header()]}}}
    named = connection_policy("RateLimit", conf, {"kuma.io/service": "web"})
    anybody = connection_policy("RateLimit", {"http": {"requests": 1, "interval": "60s"}})
    target = inbound()
    limit_requests(target.listener.chains, [anybody, named])
    MeshRateLimitPlugin().inbound(target, (rules({"http": {"requestRate": RATE}}),))
    assert filters_of(target) == [HttpRateLimit(), Router()]
    first, second, rest = routes_of(target)
    assert [h.value for h in first.match.headers] == [".*&kuma.io/service=[^&]*web[,&].*"]
    assert first.rate_limit == RateLimit(BUCKET, 423, (HeaderValue("x-c", "1", overwrite=True),))
    assert [h.value for h in second.match.headers] == [".*&kuma.io/service=.*"]
    assert second.rate_limit == RateLimit(TokenBucket(1, 60 * SECOND))
    assert (rest.match.headers, rest.rate_limit) == ((), None)
    # Policies that come later change one of them without the others.
    assert first.action is not rest.action


def test_a_status_that_envoy_does_not_know_is_left_to_envoy() -> None:
    known, unknown = (_config(RateLimit(BUCKET, status)) for status in (423, 430))
    assert known.status.code == 423
    assert not unknown.HasField("status")


def _config(limit: RateLimit) -> LocalRateLimit:
    config = LocalRateLimit()
    Packed(**route_rate_limit(limit)[FILTER]).Unpack(config)
    return config


def _header() -> dict[str, str]:
    return {"key": "x-c", "value": "1"}
