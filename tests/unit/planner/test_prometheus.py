"""How proxies show their metrics where a Mesh asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policies.building import REGISTRY, mesh
from ursa.ir.address import Pipe
from ursa.ir.listener import ChainMatch, Listener
from ursa.ir.plan import ProxyPlan
from ursa.ir.tls import DownstreamTls, FileCertificate
from ursa.model.dataplane import parse_dataplane
from ursa.model.forms import from_rest
from ursa.model.prometheus import Prometheus, prometheus_of
from ursa.planner import names
from ursa.planner.inputs import InboundInputs, ProxyFacts, Settings
from ursa.planner.prometheus import plan_prometheus

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}


def planned(conf: Any = None, *, port: int = 8080, own: Any = None, mtls: Any = None, **facts: Any) -> ProxyPlan:
    backend = {"name": "prom", "type": "prometheus", "conf": conf or {}}
    spec = {"metrics": {"enabledBackend": "prom", "backends": [backend]}, **({"mtls": mtls} if mtls else {})}
    inbound = {"port": port, "tags": {"kuma.io/service": "web"}}
    document: dict[str, Any] = {"type": "Dataplane", "mesh": "default", "name": "web-1"}
    document["networking"] = {"address": "10.0.0.1", "inbound": [inbound]}
    if own is not None:
        document["metrics"] = {"type": "prometheus", "conf": own}
    told = ProxyFacts("web-1", **{"admin_port": 9901, "workdir": "/run", **facts})
    dataplane = parse_dataplane(from_rest(document, REGISTRY))
    plan = ProxyPlan()
    plan_prometheus(plan, InboundInputs(Settings(), mesh(**spec), dataplane, told, None, (), ()))
    return plan


def listener(plan: ProxyPlan) -> Listener:
    return plan.listeners[names.METRICS]


def test_metrics_are_read_from_the_launcher() -> None:
    plan = planned()
    assert plan.clusters[names.METRICS_HIJACKER].addresses == (Pipe("/run/kuma-mh-web-1-default.sock"),)
    (chain,) = listener(plan).chains
    assert chain.http is not None
    (route,) = chain.http.route_config.virtual_hosts[0].routes
    assert route.match.path == "/metrics"


def test_with_mtls_only_the_proxy_itself_needs_no_certificate() -> None:
    plan = planned(mtls=MTLS)
    first, second = listener(plan).chains
    assert (first.match, first.tls) == (ChainMatch(source="10.0.0.1"), None)
    assert second.match is None
    assert second.tls is not None
    assert plan.identities == plan.authorities == {"default"}


@pytest.mark.parametrize("conf", [{"skipMTLS": True}, {"tls": {"mode": "disabled"}}, {"tls": {"mode": "providedTLS"}}])
def test_plain_text_is_shown_where_that_is_asked_for_or_no_certificate_is_there(conf: Any) -> None:
    assert [(chain.match, chain.tls) for chain in listener(planned(conf, mtls=MTLS)).chains] == [(None, None)]


def test_a_certificate_beside_the_proxy_is_shown() -> None:
    plan = planned({"tls": {"mode": "providedTLS"}}, metrics_cert="/c.pem", metrics_key="/k.pem")
    (chain,) = listener(plan).chains
    assert chain.tls == DownstreamTls(FileCertificate("/c.pem", "/k.pem"), require_client_certificate=False)


def test_nothing_is_shown_at_a_port_that_is_taken_or_without_an_admin_interface() -> None:
    assert not planned(port=5670).listeners
    assert not planned(admin_port=0).listeners
    assert planned(port=5670, own={"port": 1234}).listeners


def test_a_dataplane_says_for_itself_what_is_otherwise() -> None:
    over = prometheus_of({"port": 1, "envoy": {"usedOnly": True}}, {"path": "/m", "envoy": {"filterRegex": "a"}})
    assert over == Prometheus(1, "/m", "activeMTLSBackend", "?filter=a&usedonly")
    assert prometheus_of({"envoy": {"filterRegex": "a"}}, {}) == Prometheus(
        5670, "/metrics", "activeMTLSBackend", "?filter=a&"
    )
    assert prometheus_of(None, {"port": 1}) is None
