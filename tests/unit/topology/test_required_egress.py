"""Where a mesh wants what leaves a zone to pass an egress, nothing leaves it while there is none."""

from __future__ import annotations

from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import ZoneEgress, parse_zone_ingress
from ursa.topology.endpoints import Surroundings, service_endpoints
from ursa.topology.ingresses import remote_services

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
OFFERED = [{"mesh": "default", "instances": 2, "tags": {"kuma.io/service": "web", "kuma.io/zone": "east"}}]
NETWORKING = {"advertisedAddress": "10.0.0.1", "advertisedPort": 10001}
GATE = Resource(
    "ZoneIngress",
    "",
    "gate",
    {"zone": "east", "networking": NETWORKING, "availableServices": OFFERED},
    {"kuma.io/origin": "global"},
)


def addresses(*egresses: ZoneEgress, required: bool) -> set[str]:
    mesh = parse_mesh(Resource("Mesh", "", "default", {"mtls": MTLS, "routing": {"zoneEgress": required}}))
    remote = remote_services([parse_zone_ingress(GATE)], "west")
    around = Surroundings(mesh, "west", remote.coordinates, egresses)
    return {e.address for e in service_endpoints("web", around, [], remote.by_service["default", "web"]).mesh}


def test_there_is_no_way_past_a_missing_egress() -> None:
    assert addresses(required=False) == {"10.0.0.1"}
    assert addresses(required=True) == set()
    assert addresses(ZoneEgress("exit", "west", "10.0.9.9", 10002), required=True) == {"10.0.9.9"}
