"""How sidecars reach ExternalServices: who may, straight or by an egress, with which TLS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.planner.test_zone_proxies import EGRESS, Zone, external, mesh, permission
from ursa.ir.cluster import EDS, STATIC, STRICT_DNS, Cluster
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import Forward
from ursa.model.resource import Resource
from ursa.planner.inputs import ProxyFacts


@pytest.fixture
def zone() -> Zone:
    return Zone()


def client(service: str = "web", *outbounds: dict[str, str], address: str = "10.0.5.1") -> Resource:
    """A Dataplane with outbounds to `out`, or to services by other tags."""
    wanted = outbounds or ({"kuma.io/service": "out"},)
    outbound = [{"address": "127.0.0.1", "port": 9000 + n, "tags": tags} for n, tags in enumerate(wanted)]
    inbound = [{"port": 80, "tags": {"kuma.io/service": service}}]
    networking = {"address": address, "inbound": inbound, "outbound": outbound}
    return Resource("Dataplane", "default", f"{service}-1", {"networking": networking})


def plan(zone: Zone, dataplane: Resource) -> ProxyPlan:
    """The outbound half of a sidecar."""
    zone.put(dataplane)
    inputs = zone.planner.sidecar_inputs(dataplane, ProxyFacts(dataplane.name))
    assert inputs is not None
    return zone.planner.plan_outbound(inputs[1])


def cluster(zone: Zone, dataplane: Resource, name: str = "out") -> Cluster:
    """A cluster of a sidecar."""
    return plan(zone, dataplane).clusters[name]


def addresses(of: Cluster) -> list[str]:
    """Where the cluster itself leads to."""
    return [endpoint.address for endpoint in of.endpoints]


def test_only_who_is_permitted_knows_a_server(zone: Zone) -> None:
    zone.put(external(), permission("TrafficPermission", "p", "out"))
    assert addresses(cluster(zone, client("web"))) == ["192.0.2.1"]
    refused = cluster(zone, client("other"))
    assert (refused.type, refused.endpoints) == (EDS, ())
    zone.delete("TrafficPermission", "p")
    assert cluster(zone, client("web")).type == EDS


def test_names_are_resolved_by_the_sidecar(zone: Zone) -> None:
    zone.put(external(), permission("TrafficPermission", "p", "out"))
    assert cluster(zone, client()).type == STATIC
    zone.put(external(address="example.com:443"))
    by_name = cluster(zone, client())
    assert (by_name.type, by_name.ipv4_only) == (STRICT_DNS, True)
    assert not cluster(zone, client(address="fd00::1")).ipv4_only


def test_tags_narrow_servers_down(zone: Zone) -> None:
    versions = [external(v, f"192.0.2.{n}:80", {"version": v}) for n, v in enumerate(("v1", "v2"), 1)]
    zone.put(*versions, permission("TrafficPermission", "p", "out"))
    planned = plan(zone, client("web", {"kuma.io/service": "out", "version": "v2"}))
    (narrowed,) = planned.clusters.values()
    assert addresses(narrowed) == ["192.0.2.2"]
    assert planned.endpoints == {}


@pytest.mark.parametrize(("protocol", "version"), [("http", 1), ("http2", 2), ("grpc", 2)])
def test_servers_are_spoken_to_as_they_say(zone: Zone, protocol: str, version: int) -> None:
    zone.put(external(tags={"kuma.io/protocol": protocol}), permission("TrafficPermission", "p", "out"))
    planned = plan(zone, client())
    options: Any = planned.clusters["out"].http
    assert options.version == version
    (listener,) = planned.listeners.values()
    (manager,) = (chain.http for chain in listener.chains)
    assert manager is not None
    actions = [route.action for host in manager.route_config.virtual_hosts for route in host.routes]
    assert [action.auto_host_rewrite for action in actions if isinstance(action, Forward)] == [True]


def test_a_mesh_may_send_them_by_its_egresses(zone: Zone) -> None:
    zone.put(mesh("default", zoneEgress=True), external(tags={"kuma.io/protocol": "http"}))
    planned = plan(zone, client("other"))
    by_egress = planned.clusters["out"]
    assert zone.addresses_of(planned, "out") == ["10.0.0.2"]
    assert by_egress.tls is not None
    assert by_egress.tls.sni == "out{mesh=default}"
    assert [san.value for san in by_egress.tls.validation.sans] == ["spiffe://default/zone-egress"]
    assert by_egress.tls.sni in zone.planned(EGRESS).snis


def test_without_an_egress_there_is_no_way_then(zone: Zone) -> None:
    zone.put(mesh("default", zoneEgress=True), external(), permission("TrafficPermission", "p", "out"))
    zone.delete("ZoneEgress", "ze", "")
    assert zone.addresses_of(plan(zone, client()), "out") == []
