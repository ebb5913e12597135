"""How proxies show and send metrics where MeshMetrics ask for it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.unit.policies.building import REGISTRY, mesh, policy
from ursa.ir.address import Pipe, SocketAddress
from ursa.ir.listener import GrpcStats, Router
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import DirectResponse
from ursa.ir.tls import DownstreamTls, FileCertificate
from ursa.model.dataplane import parse_dataplane
from ursa.model.forms import from_rest
from ursa.planner import names
from ursa.planner.inputs import InboundInputs, ProxyFacts, Settings
from ursa.planner.mesh_metrics import plan_mesh_metrics
from ursa.planner.prometheus import plan_prometheus
from ursa.policies.mesh_metric.effect import metrics_conf

READ = {"type": "Prometheus", "prometheus": {}}
SENT = {"type": "OpenTelemetry", "openTelemetry": {"endpoint": "otel:4317"}}
CERTIFIED = {"type": "Prometheus", "prometheus": {"clientId": "main", "port": 1, "tls": {"mode": "ProvidedTLS"}}}


def planned(*backends: Any, dns_table: str = "", metrics_cert: str = "", **conf: Any) -> ProxyPlan:
    inbounds = [{"port": port, "tags": {"kuma.io/service": service}} for port, service in ((1080, "web"), (1081, "b"))]
    networking = {"address": "10.0.0.1", "inbound": inbounds}
    document = {"type": "Dataplane", "mesh": "default", "name": "web-1", "networking": networking}
    dataplane = parse_dataplane(from_rest(document, REGISTRY))
    facts = ProxyFacts("web-1", admin_port=9901, workdir="/run", metrics_cert=metrics_cert, metrics_key="/k.pem")
    backend = {"name": "prom", "type": "prometheus", "conf": {}}
    of = mesh(metrics={"enabledBackend": "prom", "backends": [backend]})
    said = metrics_conf([policy("MeshMetric", default={"backends": list(backends), **conf})])
    inputs = InboundInputs(Settings(), of, dataplane, facts, None, (), (), metrics=said, dns_table=dns_table)
    plan = ProxyPlan()
    plan_prometheus(plan, inputs)
    plan_mesh_metrics(plan, inputs)
    return plan


def served(plan: ProxyPlan) -> dict[str, Any]:
    """What the launcher is told, by path."""
    manager = plan.listeners["_kuma:dynamicconfig"].chains[0].http
    assert manager is not None
    routes = manager.route_config.virtual_hosts[0].routes
    return {
        r.match.path: orjson.loads(r.action.body) for r in routes if isinstance(r.action, DirectResponse) and r.name
    }


def told(plan: ProxyPlan) -> dict[str, Any]:
    found: dict[str, Any] = served(plan)["/meshmetric"]["observability"]["metrics"]
    return found


def test_they_take_the_place_of_what_the_mesh_says() -> None:
    assert names.METRICS in planned().listeners
    plan = planned(READ)
    assert names.METRICS not in plan.listeners
    found = plan.listeners["_kuma:metrics:prometheus:default-backend"]
    assert found.address == SocketAddress("10.0.0.1", 5670)
    assert plan.clusters["_kuma:metrics:hijacker"].addresses == (Pipe("/run/kuma-mh-web-1-default.sock"),)


def test_readers_are_told_apart_by_their_ids_and_shown_a_certificate_where_there_is_one() -> None:
    plan = planned(READ, CERTIFIED, metrics_cert="/c.pem")
    chains = [plan.listeners[f"_kuma:metrics:prometheus:{name}"].chains[0] for name in ("default-backend", "main")]
    certificate = DownstreamTls(FileCertificate("/c.pem", "/k.pem"), require_client_certificate=False)
    assert [chain.tls for chain in chains] == [None, certificate]
    assert [b["type"] for b in told(plan)["backends"]] == ["Prometheus"]


def test_collectors_get_metrics_from_the_launcher_by_envoy() -> None:
    plan = planned(SENT)
    name = "_kuma:metrics:opentelemetry:otel-4317"
    (chain,) = plan.listeners[name].chains
    assert plan.listeners[name].address == Pipe("/run/kuma-otel-otel-4317.sock")
    assert chain.http is not None
    assert chain.http.http_filters == [GrpcStats(), Router()]
    assert plan.clusters[name].addresses == (SocketAddress("otel", 4317),)
    where = {"endpoint": "/run/kuma-otel-otel-4317.sock", "refreshInterval": "1m0s"}
    assert told(plan)["backends"] == [{"type": "OpenTelemetry", "name": "otel-4317", "openTelemetry": where}]


def test_the_launcher_learns_names_and_metrics_from_one_listener() -> None:
    found = served(planned(READ, dns_table='{"records":[]}'))
    assert list(found) == ["/dns", "/meshmetric"]
    assert found["/dns"] == {"records": []}


def test_every_tag_is_a_label_with_one_value_and_with_all() -> None:
    labels = told(planned(READ))["extraLabels"]
    assert (labels["mesh"], labels["dataplane"], labels["service"]) == ("default", "web-1", "b")
    assert (labels["kuma_io_service"], labels["kuma_io_services"]) == ("b", ",b,web,")


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        (None, None),
        ({"includeUnused": True}, {"includeUnused": True}),
        ({"profiles": {}}, {"profiles": {"appendProfiles": [], "exclude": [], "include": []}}),
    ],
)
def test_lists_of_profiles_are_whole(sidecar: Any, expected: Any) -> None:
    assert told(planned(READ, **({} if sidecar is None else {"sidecar": sidecar}))).get("sidecar") == expected


def test_applications_have_all_their_fields() -> None:
    assert told(planned(READ))["applications"] is None
    (application,) = told(planned(READ, applications=[{"port": 1}]))["applications"]
    assert application == {"name": None, "path": "/metrics", "port": 1, "address": ""}
