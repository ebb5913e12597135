"""How proxies trace, by policies of both generations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policies.building import REGISTRY, http_of, inbound, mesh, outbound, policy
from ursa.ir.cluster import STATIC, STRICT_DNS
from ursa.ir.tls import ExternalTls
from ursa.ir.tracing import Datadog, OpenTelemetry, Sampling, SpanTag, Zipkin
from ursa.model.forms import from_rest
from ursa.policies.core.tracers import Tracer
from ursa.policies.legacy.matching import ConnectionPolicy, parse_connection_policy
from ursa.policies.legacy.traffic_trace import traffic_tracer
from ursa.policies.mesh_trace.effect import decide

ZIPKIN = {"type": "Zipkin", "zipkin": {"url": "http://jaeger:9411/api/v2/spans"}}
OTEL = {"type": "OpenTelemetry", "openTelemetry": {"endpoint": "10.0.0.9"}}
WEB = ({"kuma.io/service": "web"},)
BACKENDS = {
    "defaultBackend": "jaeger",
    "backends": [
        {"name": "jaeger", "type": "zipkin", "sampling": 12.5, "conf": {"url": "https://jaeger:9411/spans"}},
        {"name": "dd", "type": "datadog", "conf": {"address": "10.0.0.9", "port": 8126, "splitService": True}},
    ],
}


def tracer(backend: dict[str, Any], **more: Any) -> Tracer:
    decision = decide([policy("MeshTrace", default={"backends": [backend], **more})], "web")
    assert decision is not None
    assert decision.tracer is not None
    return decision.tracer


def older(backend: str) -> Tracer | None:
    return traffic_tracer({"TrafficTrace": [trace(backend)]}, mesh(tracing=BACKENDS), WEB, "web")


def trace(backend: str) -> ConnectionPolicy:
    document = {"type": "TrafficTrace", "mesh": "default", "name": "t", "conf": {"backend": backend}}
    selectors = [{"match": {"kuma.io/service": "*"}}]
    return parse_connection_policy(from_rest({**document, "selectors": selectors}, REGISTRY))


def test_a_url_says_where_spans_go() -> None:
    found = tracer(ZIPKIN)
    name = "meshtrace:zipkin"
    assert found.tracing.provider == Zipkin(name, "/api/v2/spans", "jaeger:9411", shared_context=True)
    cluster = found.collector.make_cluster()
    assert (cluster.name, cluster.type, cluster.tls_matches) == (name, STRICT_DNS, ())


def test_a_collector_speaks_http2_at_its_usual_port() -> None:
    found = tracer(OTEL)
    assert found.tracing.provider == OpenTelemetry("meshtrace:opentelemetry", "web")
    cluster = found.collector.make_cluster()
    assert cluster.type == STATIC
    assert (found.collector.port, cluster.http and cluster.http.version) == (4317, 2)


def test_shares_and_tags_are_taken_over() -> None:
    tags = [
        {"name": "team", "literal": "a"},
        {"name": "id", "header": {"name": "x-id", "default": "none"}},
    ]
    found = tracer(OTEL, sampling={"overall": 80, "random": "12.5"}, tags=tags).tracing
    assert found.sampling == Sampling(overall=80.0, random=12.5)
    assert found.tags == (SpanTag("team", "a"), SpanTag("id", "none", "x-id"))


def test_services_may_be_split_by_direction_and_destination() -> None:
    found = tracer({"type": "Datadog", "datadog": {"url": "http://10.0.0.9:8126", "splitService": True}})
    inward, outward = inbound(), outbound()
    inward.listener.direction, outward.listener.direction = "INBOUND", "OUTBOUND"
    found.trace(inward.listener)
    found.trace(outward.listener, "backend")
    managers = (http_of(inward), outward.listener.chains[0].http)
    providers = [manager.tracing.provider for manager in managers if manager and manager.tracing]
    assert providers == [Datadog("meshtrace:datadog", f"web_{end}") for end in ("INBOUND", "OUTBOUND_backend")]


def test_no_backends_switch_tracing_off_and_no_policy_leaves_it() -> None:
    decision = decide([policy("MeshTrace", default={"backends": []})], "web")
    assert decision is not None
    assert decision.tracer is None
    assert decide([], "web") is None


def test_the_older_policy_names_a_backend_of_the_mesh() -> None:
    found = older("")
    assert found is not None
    assert found.tracing.provider == Zipkin("tracing:jaeger", "/spans", "jaeger:9411")
    assert found.tracing.sampling == Sampling(overall=12.5)
    (match,) = found.collector.make_cluster().tls_matches
    assert match.tls == ExternalTls(sni="jaeger", allow_renegotiation=True)
    split = older("dd")
    assert split is not None
    assert (split.tracing.provider, split.split) == (Datadog("tracing:dd", "web"), True)
    assert split.tracing.sampling == Sampling(overall=100.0)


@pytest.mark.parametrize("backend", ["unknown", "jaegers"])
def test_a_backend_that_is_not_there_traces_nothing(backend: str) -> None:
    assert older(backend) is None
