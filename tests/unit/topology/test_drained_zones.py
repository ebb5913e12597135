"""Zones that are drained get a part of their weight from others, everybody else keeps the whole."""

from __future__ import annotations

import pytest

from ursa.model.dataplane import parse_dataplane
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import ZoneEgress, parse_zone_ingress
from ursa.topology.endpoints import ServiceEndpoints, Surroundings, service_endpoints
from ursa.topology.ingresses import remote_services

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
EGRESS = ZoneEgress("out", "west", "10.0.9.9", 10002)


def ingress(zone: str, address: str, instances: int, share: str | None = None) -> Resource:
    tags = {"kuma.io/service": "web", "kuma.io/zone": zone, "kuma.io/protocol": "http"}
    networking = {"advertisedAddress": address, "advertisedPort": 10001}
    services = [{"mesh": "default", "instances": instances, "tags": tags}]
    labels = {"kuma.io/origin": "global"} | ({"ursa.io/cross-zone-share": share} if share is not None else {})
    spec = {"zone": zone, "networking": networking, "availableServices": services}
    return Resource("ZoneIngress", "", f"{zone}-gate", spec, labels)


def local() -> Resource:
    inbound = {"port": 80, "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http", "kuma.io/zone": "west"}}
    return Resource("Dataplane", "default", "web-1", {"networking": {"address": "10.1.1.1", "inbound": [inbound]}})


def found(*gates: Resource, egress: bool = False, near: bool = True) -> ServiceEndpoints:
    routing = {"zoneEgress": egress}
    mesh = parse_mesh(Resource("Mesh", "", "default", {"mtls": MTLS, "routing": routing}))
    remote = remote_services(map(parse_zone_ingress, gates), "west")
    around = Surroundings(mesh, "west", remote.coordinates, (EGRESS,) if egress else ())
    dataplanes = [parse_dataplane(local())] if near else []
    return service_endpoints("web", around, dataplanes, remote.by_service["default", "web"])


def weights(endpoints: ServiceEndpoints) -> dict[str, int]:
    return {e.address: e.weight for e in endpoints.mesh}


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (None, {"10.1.1.1": 2, "10.0.0.1": 3, "10.0.0.2": 2}),
        ("100", {"10.1.1.1": 2, "10.0.0.1": 3, "10.0.0.2": 2}),
        ("40", {"10.1.1.1": 200, "10.0.0.1": 120, "10.0.0.2": 200}),
        ("1", {"10.1.1.1": 200, "10.0.0.1": 3, "10.0.0.2": 200}),
        ("0", {"10.1.1.1": 2, "10.0.0.2": 2}),
        ("nonsense", {"10.1.1.1": 2, "10.0.0.1": 3, "10.0.0.2": 2}),
        ("400", {"10.1.1.1": 2, "10.0.0.1": 3, "10.0.0.2": 2}),
    ],
)
def test_only_the_drained_zone_loses_weight(share: str | None, expected: dict[str, int]) -> None:
    assert weights(found(ingress("east", "10.0.0.1", 3, share), ingress("north", "10.0.0.2", 2))) == expected


def test_two_zones_are_drained_independently() -> None:
    assert weights(found(ingress("east", "10.0.0.1", 3, "40"), ingress("north", "10.0.0.2", 2, "0"))) == {
        "10.1.1.1": 200,
        "10.0.0.1": 120,
    }


def test_what_an_ingress_and_an_egress_use_falls_alike() -> None:
    endpoints = found(ingress("east", "10.0.0.1", 3, "40"), ingress("north", "10.0.0.2", 2), egress=True)
    assert {e.address: e.weight for e in endpoints.remote} == {"10.0.0.1": 120, "10.0.0.2": 200}
    assert {e.weight for e in endpoints.local} == {1}


def test_an_egress_keeps_its_weight_while_one_zone_behind_it_does() -> None:
    east, north = ingress("east", "10.0.0.1", 3, "40"), ingress("north", "10.0.0.2", 2)
    assert weights(found(east, north, egress=True)) == {"10.1.1.1": 200, "10.0.9.9": 100}
    assert weights(found(east, egress=True)) == {"10.1.1.1": 100, "10.0.9.9": 40}
    assert weights(found(ingress("east", "10.0.0.1", 3, "0"), egress=True)) == {"10.1.1.1": 1}


def test_a_service_that_is_drained_everywhere_still_is_what_it_was() -> None:
    endpoints = found(ingress("east", "10.0.0.1", 3, "0"), near=False)
    assert (endpoints.mesh, endpoints.remote, endpoints.protocol) == ((), (), "http")
