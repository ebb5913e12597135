"""Ingresses of a zone that is not seen are used only when nothing else is left."""

from __future__ import annotations

import pytest

from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.topology.endpoints import Surroundings, service_endpoints
from ursa.topology.ingresses import remote_services

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}


def ingress(zone: str, address: str, **labels: str) -> Resource:
    services = [{"mesh": "default", "instances": 1, "tags": {"kuma.io/service": "web", "kuma.io/zone": zone}}]
    networking = {"advertisedAddress": address, "advertisedPort": 10001}
    spec = {"zone": zone, "networking": networking, "availableServices": services}
    return Resource("ZoneIngress", "", f"{zone}-gate", spec, {"kuma.io/origin": "global", **labels})


@pytest.mark.parametrize("locality_aware", [False, True])
def test_a_lapsed_zone_has_the_lowest_priority(locality_aware: bool) -> None:
    routing = {"localityAwareLoadBalancing": locality_aware}
    mesh = parse_mesh(Resource("Mesh", "", "default", {"mtls": MTLS, "routing": routing}))
    gates = [ingress("east", "10.0.0.1"), ingress("north", "10.0.0.2", **{"ursa.io/presence": "lapsed"})]
    remote = remote_services(map(parse_zone_ingress, gates), "west").by_service["default", "web"]
    found = service_endpoints("web", Surroundings(mesh, "west", 2), [], remote).mesh
    base = 1 if locality_aware else 0
    assert {e.address: e.priority for e in found} == {"10.0.0.1": base, "10.0.0.2": base + 1}
