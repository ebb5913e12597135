"""Endpoints of real services as one zone sees them, and what a change makes the index look at again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ursa.ir.cluster import Endpoint
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.real_services import RealServiceIndex
from ursa.planner.services import ServiceChanges, ServiceIndex
from ursa.store.contract import Batch, Change
from ursa.topology.endpoints import ServiceEndpoints
from ursa.view.view import View

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
MESH = Resource("Mesh", "", "default", {"mtls": MTLS})
WEB = "MeshService/web:80"


@dataclass
class Zone:
    """The index of zone `east` over a view that grows by single changes."""

    view: View = field(default_factory=View)
    meshes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tag_services = ServiceIndex("east")
        self.real = RealServiceIndex("east", self.tag_services)
        self.put(MESH)

    def put(self, *resources: Resource) -> ServiceChanges:
        return self._apply(*(Change(resource.key, resource) for resource in resources))

    def delete(self, kind: str, name: str, mesh: str = "default") -> ServiceChanges:
        return self._apply(Change(ResourceKey(kind, mesh, name), None))

    def of(self, endpoints: str) -> ServiceEndpoints:
        return self.real.of("default", endpoints)

    def addresses(self, endpoints: str) -> list[tuple[str, int]]:
        return [(e.address, e.port) for e in self.of(endpoints).mesh]

    def _apply(self, *changes: Change) -> ServiceChanges:
        revision = self.view.revision + 1
        stored = [
            Change(c.key, None if c.after is None else Resource(*_fields(c.after), version=revision)) for c in changes
        ]
        self.view, touched = self.view.apply(Batch(revision, tuple(stored)))
        if any(c.key.kind == "Mesh" for c in changes):
            self.meshes = [parse_mesh(mesh) for mesh in self.view.list("Mesh")]
        self.tag_services.update(self.view, touched, self.meshes)
        return self.real.update(self.view, touched, self.meshes)


def _fields(of: Resource) -> tuple[Any, ...]:
    return of.kind, of.mesh, of.name, of.spec, of.labels, of.status


@pytest.fixture
def zone() -> Zone:
    return Zone()


def dataplane(name: str, address: str, *inbounds: dict[str, Any]) -> Resource:
    parts = [{"tags": {"kuma.io/service": "web", "kuma.io/zone": "east"}, **inbound} for inbound in inbounds]
    return Resource("Dataplane", "default", name, {"networking": {"address": address, "inbound": parts}})


def service(
    name: str = "web",
    *,
    zone: str = "east",
    state: str = "Available",
    port: dict[str, Any] | None = None,
    **selector: Any,
) -> Resource:
    origin = "zone" if zone == "east" else "global"
    labels = {"kuma.io/zone": zone, "kuma.io/origin": origin, "kuma.io/display-name": name}
    spec = {
        "selector": selector or {"dataplaneTags": {"kuma.io/service": "web"}},
        "ports": [port or {"port": 80, "targetPort": 8080, "appProtocol": "http"}],
        "identities": [{"type": "ServiceTag", "value": f"web-{zone}"}],
        "state": state,
    }
    stored = name if zone == "east" else f"{name}-{zone}"
    return Resource("MeshService", "default", stored, spec, labels, {"tls": {"status": "Ready"}})


def multi_zone(*zones: str) -> Resource:
    status = {"meshServices": [{"name": "web", "namespace": "", "zone": zone, "mesh": "default"} for zone in zones]}
    return Resource("MeshMultiZoneService", "default", "all", {"ports": [{"port": 80}]}, {}, status)


def ingress(zone: str, address: str, **labels: str) -> Resource:
    spec = {"zone": zone, "networking": {"advertisedAddress": address, "advertisedPort": 10001}}
    return Resource("ZoneIngress", "", f"{zone}-{address}", spec, {"kuma.io/origin": "global", **labels})


def test_every_healthy_inbound_of_a_selected_dataplane_that_the_port_leads_to_counts(zone: Zone) -> None:
    other = {"tags": {"kuma.io/service": "other"}}
    zone.put(
        service(),
        dataplane("a", "10.0.0.1", {"port": 8080}, {"port": 9090}),
        dataplane("b", "10.0.0.2", {"port": 8080, "state": "NotReady"}),
        dataplane("c", "10.0.0.3", {"port": 8080, "health": {"ready": False}}),
        dataplane("d", "10.0.0.4", {"port": 9090}, {"port": 8080, **other}),
        dataplane("e", "10.0.0.5", {"port": 8080, **other}),
    )
    assert zone.addresses(WEB) == [("10.0.0.1", 8080), ("10.0.0.4", 8080)]
    assert zone.of(WEB).local == zone.of(WEB).mesh


@pytest.mark.parametrize(
    ("selector", "target", "expected"),
    [
        ({"dataplaneRef": {"name": "a"}}, 8080, ["10.0.0.1"]),
        ({"dataplaneTags": {"version": "v2"}}, 8080, ["10.0.0.2"]),
        ({"dataplaneTags": {"kuma.io/service": "web"}}, "main", ["10.0.0.2"]),
        ({"dataplaneTags": {}}, 8080, []),
        ({"dataplaneTags": {"kuma.io/service": "web"}}, 9999, []),
    ],
)
def test_selectors_and_target_ports(zone: Zone, selector: Any, target: int | str, expected: list[str]) -> None:
    tags = {"kuma.io/service": "web", "version": "v2"}
    zone.put(
        service(port={"port": 80, "targetPort": target}, **selector),
        dataplane("a", "10.0.0.1", {"port": 8080}),
        dataplane("b", "10.0.0.2", {"port": 8080, "name": "main", "tags": tags}),
    )
    assert [address for address, _ in zone.addresses(WEB)] == expected


def test_a_step_tells_only_of_the_ports_whose_endpoints_differ(zone: Zone) -> None:
    zone.put(service(), service("db", dataplaneTags={"kuma.io/service": "db"}), multi_zone("east"))
    change = zone.put(dataplane("a", "10.0.0.1", {"port": 8080}))
    assert change.endpoints == {("default", WEB), ("default", "MeshMultiZoneService/all:80")}
    assert not change.meshes
    again = zone.put(Resource("Dataplane", "default", "a", {**zone.view.get("Dataplane", "default", "a").spec, "x": 1}))
    assert again == ServiceChanges()
    gone = zone.delete("Dataplane", "a")
    assert gone.endpoints == change.endpoints
    assert zone.addresses(WEB) == []


def test_status_that_no_client_depends_on_changes_nothing(zone: Zone) -> None:
    zone.put(service())
    before = zone.real.services("default")
    counted = Resource(*_fields(service())[:5], {"tls": {"status": "Ready"}, "dataplaneProxies": {"total": 3}})
    assert zone.put(counted) == ServiceChanges()
    assert zone.real.services("default") is before
    named = Resource(*_fields(service())[:5], {"tls": {"status": "Ready"}, "vips": [{"ip": "241.0.0.1"}]})
    assert zone.put(named).meshes == {"default"}
    assert zone.real.services("default")[0].addresses == ("241.0.0.1",)


def test_other_zones_are_reached_by_their_ingresses_each_address_once_lapsed_ones_last(zone: Zone) -> None:
    zone.put(service(zone="west"), ingress("west", "10.1.0.1"), ingress("north", "10.2.0.1"))
    zone.put(
        Resource(*_fields(ingress("west", "10.1.0.1"))[:2], "west-twin", *_fields(ingress("west", "10.1.0.1"))[3:])
    )
    west = Endpoint("10.1.0.1", 10001, tags={"kuma.io/zone": "west"}, zone="west", priority=1)
    key = "MeshService/web-west:80"
    assert zone.of(key).mesh == (west,)
    assert zone.of(key).local == ()
    zone.delete("ZoneIngress", "west-twin", "")
    zone.put(ingress("west", "10.1.0.1", **{"ursa.io/presence": "lapsed"}))
    assert [e.priority for e in zone.of(key).mesh] == [2]
    zone.put(Resource("Mesh", "", "default", {}))
    assert zone.of(key).mesh == (), "without mesh TLS an ingress has nothing to go by"


def test_a_multi_zone_service_is_the_union_of_its_services(zone: Zone) -> None:
    zone.put(
        service(),
        service(zone="west"),
        service(zone="north", state="Unavailable"),
        multi_zone("east", "west", "north"),
        ingress("west", "10.1.0.1"),
        ingress("north", "10.2.0.1"),
        dataplane("a", "10.0.0.1", {"port": 8080}),
    )
    key = "MeshMultiZoneService/all:80"
    assert zone.addresses(key) == [("10.0.0.1", 8080), ("10.1.0.1", 10001)]
    assert [e.address for e in zone.of(key).local] == ["10.0.0.1"], "an ingress leads to instances of its own zone"
    known = {service.name: service for service in zone.real.services("default")}
    assert known["all"].identities == ("spiffe://default/web-east", "spiffe://default/web-west")
    zone.put(service(zone="north"))
    assert ("10.2.0.1", 10001) in zone.addresses(key)
    zone.delete("MeshService", "web-west")
    assert zone.addresses(key) == [("10.0.0.1", 8080), ("10.2.0.1", 10001)]
    zone.delete("MeshMultiZoneService", "all")
    assert zone.of(key) == ServiceEndpoints()


def test_external_services_are_reached_by_the_egresses_of_this_zone(zone: Zone) -> None:
    spec = {"match": {"port": 9000, "protocol": "http"}, "endpoints": [{"address": "127.0.9.9", "port": 9000}]}
    zone.put(Resource("MeshExternalService", "default", "out", spec, {"team": "a"}))
    for name, of, address in (("near", "east", "10.0.0.8"), ("far", "west", "10.1.0.8")):
        zone.put(Resource("ZoneEgress", "", name, {"zone": of, "networking": {"address": address, "port": 10002}}))
    assert zone.of("MeshExternalService/out:9000").mesh == (Endpoint("10.0.0.8", 10002, tags={"team": "a"}),)


def test_without_its_mesh_a_service_is_not_known(zone: Zone) -> None:
    zone.put(service(), dataplane("a", "10.0.0.1", {"port": 8080}))
    assert zone.delete("Mesh", "default", "").endpoints == {("default", WEB)}
    assert zone.real.services("default") == ()


def test_a_zone_that_is_drained_gets_its_share_of_a_multi_zone_service_in_the_end_nothing(zone: Zone) -> None:
    zone.put(service(zone="north"), service(zone="west"), multi_zone("north", "west"), ingress("north", "10.2.0.1"))
    both = "MeshMultiZoneService/all:80"

    def weights(share: str) -> dict[str, int]:
        zone.put(ingress("west", "10.1.0.1", **{"ursa.io/cross-zone-share": share}))
        return {e.address: e.weight for e in zone.of(both).mesh}

    assert weights("100") == {"10.2.0.1": 1, "10.1.0.1": 1}
    assert weights("40") == {"10.2.0.1": 100, "10.1.0.1": 40}
    assert {e.address: e.weight for e in zone.of("MeshService/web-west:80").mesh} == {"10.1.0.1": 1}
    assert weights("0") == {"10.2.0.1": 1}
    assert zone.addresses("MeshService/web-west:80") == []
    assert weights("100") == {"10.2.0.1": 1, "10.1.0.1": 1}
