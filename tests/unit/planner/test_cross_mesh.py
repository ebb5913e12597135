"""Sidecars enter another mesh by its gateways, each side believing the other's CA."""

from __future__ import annotations

import pytest

from tests.unit.planner.test_gateways import Connected, edge, gateway, planned, resource, to
from tests.unit.planner.test_zone_proxies import Zone, mesh
from ursa.envoy.types import SECRET
from ursa.identity.ca import builtin_cert_secret, builtin_key_secret, create_mesh_ca
from ursa.identity.signing_keys import secret
from ursa.ir.plan import ProxyPlan
from ursa.ir.tls import DownstreamTls, SanMatcher, SdsValidation, UpstreamTls
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.inputs import ProxyFacts
from ursa.runtime.clock import SystemClock
from zone_cp.reconciler.proxy import Proxy

ASKED = {"kuma.io/service": "edge", "kuma.io/mesh": "default", "l": "open"}
OPEN = {"crossMesh": True, "hostname": "edge.example", "tags": {"l": "open"}}


@pytest.fixture
def zone() -> Zone:
    found = Zone()
    for name in ("default", "other"):
        authority = create_mesh_ca(name, SystemClock().now_ns())
        found.put(
            secret("Secret", name, builtin_cert_secret(name, "ca"), authority.bundle_pem),
            secret("Secret", name, builtin_key_secret(name, "ca"), authority.key_pem),
        )
    found.put(mesh("other"), edge(), client())
    return found


def client() -> Resource:
    """A Dataplane in the other mesh that calls the first one's gateway."""
    outbound = [{"address": "127.0.0.1", "port": 9000, "tags": ASKED}]
    inbound = [{"port": 80, "tags": {"kuma.io/service": "web"}}]
    networking = {"address": "10.0.6.1", "inbound": inbound, "outbound": outbound}
    return Resource("Dataplane", "other", "web-1", {"networking": networking})


def called(zone: Zone) -> ProxyPlan:
    inputs = zone.planner.sidecar_inputs(client(), ProxyFacts("web-1"))
    assert inputs is not None
    return zone.planner.plan_outbound(inputs[1])


def test_a_client_believes_the_other_mesh_and_proves_its_own(zone: Zone) -> None:
    plan = called(zone)
    (cluster,) = plan.clusters.values()
    sans = (SanMatcher("spiffe://default/edge"),)
    validation = SdsValidation("mesh_ca:secret:default", sans)
    assert cluster.tls == UpstreamTls("edge{l=open,mesh=default}", "identity_cert:secret:other", validation)
    assert cluster.name.startswith("edge-") and cluster.name.endswith("_default")
    assert (plan.identities, plan.authorities) == ({"other"}, {"default"})


def test_entrances_are_the_listeners_that_are_open_to_others(zone: Zone) -> None:
    (name,) = called(zone).clusters
    assert zone.addresses_of(called(zone), name) == []
    zone.put(gateway(OPEN, {"port": 8081}))
    reference = called(zone).endpoints[name]
    (endpoint,) = zone.planner.assignment(name, reference).endpoints
    assert (endpoint.address, endpoint.port) == ("10.0.5.1", 8080)
    zone.delete("Dataplane", "edge-1")
    assert zone.addresses_of(called(zone), name) == []


def test_a_gateway_believes_clients_of_all_meshes(zone: Zone) -> None:
    route = {"http": {"rules": [{"matches": [{"path": {"value": "/", "match": "PREFIX"}}], "backends": [to("web")]}]}}
    selectors = [{"match": {"kuma.io/service": "edge"}}]
    zone.put(gateway(OPEN), resource({"type": "MeshGatewayRoute", "name": "r", "selectors": selectors, "conf": route}))
    plan = planned(zone)
    (chain,) = plan.listeners["gw:HTTP:8080"].chains
    assert chain.tls == DownstreamTls("identity_cert:secret:default", SdsValidation("mesh_ca:secret:all"))
    assert chain.match is not None and chain.match.application_protocols == ("kuma",)
    assert plan.trusts_all
    names = {e.name for layer in Connected(zone).snapshot().layers[SECRET] for e in layer}
    assert names == {"identity_cert:secret:default", "mesh_ca:secret:default", "mesh_ca:secret:all"}


def test_without_mtls_nothing_is_open_to_others(zone: Zone) -> None:
    zone.put(mesh("default", mtls=False), gateway(OPEN))
    assert planned(zone).listeners == {}


def test_both_ends_are_concerned_by_the_other_mesh(zone: Zone) -> None:
    zone.put(gateway(OPEN))
    for key, other in ((("default", "edge-1"), "other"), (("other", "web-1"), "default")):
        proxy = Proxy(ResourceKey("Dataplane", *key), ProxyFacts(key[1]))
        dataplane = zone.view.get(*proxy.key)
        assert dataplane is not None
        zone.planning.plan(proxy, dataplane, zone.view)
        assert proxy.believes({other}) and not proxy.believes(set())
