"""Which ports of real services a proxy has outbounds for: what it lists, or every virtual address it may need."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.model.dataplane import Dataplane, parse_dataplane
from ursa.model.mesh import Mesh, parse_mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.model.resource import Resource
from ursa.planner.real_outbounds import VipOutbounds, explicit_outbounds

PORTS = (ServicePort(80, "main", "http"), ServicePort(81))
WEB = RealService(
    "MeshService", "default", "web", "web", "east", "", {"kuma.io/zone": "east", "team": "a"}, PORTS,
    addresses=("241.0.0.1", "fd00::1"), hostnames=("web.mesh",),
)  # fmt: skip
FAR = RealService(
    "MeshService", "default", "web-4bc5", "web", "west", "", {"kuma.io/zone": "west", "team": "a"}, PORTS,
    addresses=("241.0.0.2",),
)  # fmt: skip
OUT = RealService("MeshExternalService", "default", "out", "out", ports=(ServicePort(443),), addresses=("242.0.0.0",))
NAMELESS = RealService("MeshMultiZoneService", "default", "all", "all", ports=(ServicePort(80),))
SERVICES = (WEB, FAR, NAMELESS, OUT)


def dataplane(zone: str = "east", **networking: Any) -> Dataplane:
    return parse_dataplane(Resource("Dataplane", "default", "dp", {"networking": networking}, {"kuma.io/zone": zone}))


def mesh(mode: str = "Everywhere") -> Mesh:
    return parse_mesh(Resource("Mesh", "", "default", {"meshServices": {"mode": mode}}))


def listed(ref: dict[str, Any], zone: str = "east") -> list[tuple[str, int, str]]:
    of = dataplane(zone, outbound=[{"port": 10000, "backendRef": ref}])
    return [(o.service.name, o.of.number, o.section) for o in explicit_outbounds(of, SERVICES)]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"kind": "MeshService", "name": "web", "port": 80}, [("web", 80, "80")]),
        ({"kind": "MeshService", "name": "web-4bc5", "port": 81}, [("web-4bc5", 81, "81")]),
        ({"kind": "MeshService", "labels": {"kuma.io/zone": "west"}, "port": 80}, [("web-4bc5", 80, "80")]),
        (
            {"kind": "MeshService", "labels": {"kuma.io/display-name": "web", "team": "a"}, "port": 80},
            [("web", 80, "80")],
        ),
        ({"kind": "MeshService", "labels": {"team": "b"}, "port": 80}, []),
        ({"kind": "MeshService", "name": "web", "port": 99}, []),
        ({"kind": "MeshService", "name": "nope", "port": 80}, []),
        ({"kind": "MeshMultiZoneService", "name": "all", "port": 80}, [("all", 80, "80")]),
        ({"kind": "MeshExternalService", "name": "out"}, [("out", 443, "443")]),
    ],
)
def test_references_of_a_dataplane(ref: dict[str, Any], expected: list[tuple[str, int, str]]) -> None:
    assert listed(ref) == expected


def _reached(mode: str = "Everywhere", *, unified: bool = False, **transparent: Any) -> list[tuple[str, str, int, str]]:
    of = dataplane(transparentProxying={"redirectPortOutbound": 15001, **transparent})
    found = VipOutbounds().of(mesh(mode), of, SERVICES, unified=unified)
    return [(o.service.name, o.address, o.port, o.section) for o in found]


def test_every_port_at_every_address_by_name() -> None:
    assert _reached() == [
        ("web", "241.0.0.1", 80, "main"),
        ("web", "fd00::1", 80, "main"),
        ("web", "241.0.0.1", 81, "81"),
        ("web", "fd00::1", 81, "81"),
        ("web-4bc5", "241.0.0.2", 80, "main"),
        ("web-4bc5", "241.0.0.2", 81, "81"),
        ("out", "242.0.0.0", 443, "443"),
    ]
    assert [address for _, address, *_ in _reached(unified=True)].count("fd00::1") == 0, "a name is there once"


@pytest.mark.parametrize("mode", ["Disabled", "Everywhere", "Exclusive"])
def test_without_a_list_everything_is_reached_in_most_modes(mode: str) -> None:
    assert len(_reached(mode)) == 7


def test_where_only_listed_backends_are_reached_none_are_without_a_list() -> None:
    assert _reached("ReachableBackends") == []


def test_a_list_of_tag_services_leaves_real_ones_out_unless_they_are_listed_too() -> None:
    assert _reached(reachableServices=["db"]) == []
    both = _reached(
        reachableServices=["db"], reachableBackends={"refs": [{"kind": "MeshExternalService", "name": "out"}]}
    )
    assert [service for service, *_ in both] == ["out"]


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ([], []),
        ([{"kind": "MeshService", "labels": {"team": "a"}, "port": 81}], [("web", 81), ("web", 81), ("web-4bc5", 81)]),
        ([{"kind": "MeshService", "name": "web-4bc5"}], [("web-4bc5", 80), ("web-4bc5", 81)]),
        ([{"kind": "MeshService", "name": "out"}], []),
    ],
)
@pytest.mark.parametrize("mode", ["Everywhere", "ReachableBackends"])
def test_listed_backends(mode: str, refs: list[dict[str, Any]], expected: list[tuple[str, int]]) -> None:
    assert [(service, port) for service, _, port, _ in _reached(mode, reachableBackends={"refs": refs})] == expected


def test_where_the_proxy_itself_listens_there_is_no_outbound() -> None:
    of = dataplane(inbound=[{"address": "241.0.0.2", "port": 80}])
    found = [(o.address, o.port) for o in VipOutbounds().of(mesh(), of, (FAR,), unified=False)]
    assert found == [("241.0.0.2", 81)]


def test_proxies_that_need_the_same_share_their_outbounds_until_a_service_changes() -> None:
    vips, in_mesh = VipOutbounds(), mesh()
    web = {"refs": [{"kind": "MeshService", "name": "web"}]}
    one, other = (dataplane(transparentProxying={}, inbound=[{"port": port}]) for port in (80, 81))
    choosy = dataplane(transparentProxying={"reachableBackends": web})
    first, second, few = (vips.of(in_mesh, of, SERVICES, unified=False) for of in (one, other, choosy))
    assert first is second
    assert len(few) == 4
    assert vips.of(in_mesh, choosy, SERVICES, unified=False) is few
    assert [o.service.name for o in vips.of(in_mesh, one, (OUT,), unified=False)] == ["out"]
