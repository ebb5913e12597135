"""An index of real services that followed every change knows what one that starts afresh does, and told all of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.planner.test_real_services import MTLS, Zone, dataplane, ingress, multi_zone, service
from ursa.model.mesh import Mesh, parse_mesh
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.real_services import RealServiceIndex
from ursa.planner.services import ServiceChanges, ServiceIndex

TAGS = ({"kuma.io/service": "web"}, {"kuma.io/service": "db"}, {"kuma.io/service": "web", "version": "v2"})
SELECTORS: tuple[dict[str, Any], ...] = (
    {"dataplaneTags": {"kuma.io/service": "web"}},
    {"dataplaneTags": {"version": "v2"}},
    {"dataplaneRef": {"name": "a"}},
)

dataplanes = st.builds(
    lambda name, tags, port, state: dataplane(name, f"10.0.0.{ord(name)}", {"port": port, "tags": tags, **state}),
    st.sampled_from("abc"), st.sampled_from(TAGS), st.sampled_from([8080, 9090]),
    st.sampled_from([{}, {"state": "NotReady"}]),
)  # fmt: skip
services = st.builds(
    lambda name, zone, state, selector: service(name, zone=zone, state=state, **selector),
    st.sampled_from(["web", "db"]), st.sampled_from(["east", "west"]), st.sampled_from(["Available", "Unavailable"]),
    st.sampled_from(SELECTORS),
)  # fmt: skip
ingresses = st.builds(
    lambda zone, lapsed: ingress(zone, "10.1.0.1", **({"ursa.io/presence": "lapsed"} if lapsed else {})),
    st.sampled_from(["west", "north"]), st.booleans(),
)  # fmt: skip
others = st.sampled_from(
    [
        multi_zone("east", "west"),
        multi_zone("west"),
        Resource("MeshExternalService", "default", "out", {"match": {"port": 443}}, {"team": "a"}),
        Resource("ZoneEgress", "", "gate", {"zone": "east", "networking": {"address": "10.0.0.9", "port": 10002}}),
        Resource("Mesh", "", "default", {"mtls": MTLS}),
        Resource("Mesh", "", "default", {}),
    ]
)
changes = st.tuples(dataplanes | services | ingresses | others, st.booleans())


def afresh(zone: Zone, meshes: list[Mesh]) -> RealServiceIndex:
    tag_services = ServiceIndex("east")
    index = RealServiceIndex("east", tag_services)
    tag_services.update(zone.view, zone.view.everything(), meshes)
    index.update(zone.view, zone.view.everything(), meshes)
    return index


def known(index: RealServiceIndex) -> tuple[Any, dict[str, Any]]:
    found = index.services("default")
    ports = {
        one.endpoints(port.number): index.of("default", one.endpoints(port.number))
        for one in found
        for port in one.ports
    }
    return found, ports


@given(st.lists(changes, max_size=25))
@settings(deadline=None)
def test_following_is_like_starting_afresh(steps: list[tuple[Resource, bool]]) -> None:
    zone = Zone()
    for resource, gone in steps:
        before_services, before = known(zone.real)
        told = _step(zone, resource, gone=gone)
        after_services, after = known(zone.real)
        assert (after_services, after) == known(afresh(zone, [parse_mesh(m) for m in zone.view.list("Mesh")]))
        moved = {port for port in before.keys() | after.keys() if before.get(port) != after.get(port)}
        assert {port for _, port in told.endpoints} >= moved
        assert ("default" in told.meshes) or before_services == after_services


def _step(zone: Zone, resource: Resource, *, gone: bool) -> ServiceChanges:
    key: ResourceKey = resource.key
    return zone.delete(key.kind, key.name, key.mesh) if gone else zone.put(resource)
