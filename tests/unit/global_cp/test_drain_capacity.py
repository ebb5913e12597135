"""A zone is not drained of what only it can serve."""

from __future__ import annotations

import pytest

from global_cp.drain_capacity import Stranded, stranded_without
from kds.absence import absences_config
from kds.drains import Drain, drains_config
from ursa.model.resource import Resource
from ursa.store.contract import Batch, Change
from ursa.view.view import View

MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
MESH = Resource("Mesh", "", "default", {"mtls": MTLS})


def gate(zone: str, *services: str, instances: int = 1, port: int = 1, mesh: str = "default") -> Resource:
    offered = [{"mesh": mesh, "instances": instances, "tags": {"kuma.io/service": one}} for one in services]
    networking = {"advertisedAddress": "10.0.0.1", "advertisedPort": port} if port else {}
    return Resource(
        "ZoneIngress", "", f"gate-{zone}", {"zone": zone, "networking": networking, "availableServices": offered}
    )


def proxy(zone: str, service: str, *, state: str = "Ready") -> Resource:
    inbound = {"port": 80, "state": state, "tags": {"kuma.io/service": service, "kuma.io/zone": zone}}
    spec = {"networking": {"address": "10.1.1.1", "inbound": [inbound]}}
    return Resource("Dataplane", "default", f"{service}-{zone}", spec, {"kuma.io/zone": zone})


def stranded(*resources: Resource, mesh: Resource = MESH) -> list[Stranded]:
    everything = (mesh, *(Resource("Zone", "", zone) for zone in ("east", "west", "south")), *resources)
    present = {resource.key: resource for resource in everything}
    view, _ = View().apply(Batch(1, tuple(Change(key, resource) for key, resource in present.items())))
    return stranded_without(view, "east")


def test_a_service_that_another_zone_offers_can_go() -> None:
    assert stranded(gate("east", "web"), gate("west", "web"), proxy("south", "client")) == []


def test_a_service_that_nobody_else_has_cannot() -> None:
    found = stranded(gate("east", "web", "api"), gate("west", "web"), proxy("south", "client"))
    assert found == [Stranded("default", "api", ("south",))]
    assert found[0].reason == "no healthy endpoint in another zone for clients in south"
    assert stranded(gate("east", "api")) == [Stranded("default", "api", ())]


def test_what_a_zone_has_itself_it_needs_from_nobody() -> None:
    own = [gate("east", "web"), proxy("west", "web"), proxy("west", "client")]
    assert stranded(*own) == []
    assert stranded(*own, proxy("south", "client")) == [Stranded("default", "web", ("south",))]
    sick = [gate("east", "web"), proxy("west", "web", state="NotReady")]
    assert stranded(*sick) == [Stranded("default", "web", ("west",))]


def test_the_only_other_zone_does_not_count_for_itself() -> None:
    found = stranded(gate("east", "web"), gate("west", "web"), proxy("west", "client"))
    assert found == [Stranded("default", "web", ("west",))]


@pytest.mark.parametrize(
    "lost",
    [
        Resource("Zone", "", "west", {"enabled": False}),
        drains_config({"west": Drain(80, 100, 0, 1, 2)}),
        absences_config({"west": "lapsed"}),
        absences_config({"west": "ejected"}),
        gate("west", "web", instances=0),
        gate("west", "web", port=0),
        gate("west", "web", mesh="other"),
    ],
)
def test_zones_on_which_nobody_should_count_take_nothing_over(lost: Resource) -> None:
    there = [gate("east", "web"), gate("west", "web"), proxy("south", "client")]
    assert stranded(*there) == []
    assert stranded(*there, lost) == [Stranded("default", "web", ("south",))]


def test_a_zone_that_comes_back_counts() -> None:
    back = drains_config({"west": Drain(20, 0, 100, 1, 2)})
    assert stranded(gate("east", "web"), gate("west", "web"), proxy("south", "client"), back) == []


def test_nothing_crosses_zones_without_mtls() -> None:
    assert stranded(gate("east", "web"), mesh=Resource("Mesh", "", "default", {})) == []


def real(zone: str, name: str, *, state: str = "Available") -> Resource:
    labels = {"kuma.io/zone": zone, "kuma.io/display-name": name}
    return Resource("MeshService", "default", f"{name}-{zone}", {"state": state}, labels)


def test_real_services_go_where_a_multi_zone_service_joins_them() -> None:
    exclusive = Resource("Mesh", "", "default", {"mtls": MTLS, "meshServices": {"mode": "Exclusive"}})
    selector = {"meshService": {"matchLabels": {"kuma.io/display-name": "web"}}}
    both = Resource("MeshMultiZoneService", "default", "all", {"selector": selector})
    there = [gate("east", "web"), gate("west"), real("east", "web"), real("west", "web"), proxy("south", "client")]
    assert stranded(*there, both, mesh=exclusive) == []
    assert stranded(*there, mesh=exclusive) == [Stranded("default", "web", ("south",))]
    sick = [*there, real("west", "web", state="Unavailable"), both]
    assert stranded(*sick, mesh=exclusive) == [Stranded("default", "web", ("south",))]
    alone = [*there, both, real("east", "api")]
    assert stranded(*alone, mesh=exclusive) == [Stranded("default", "api", ("south",))]
    assert stranded(*alone) == [Stranded("default", "web", ("south",))]  # by tag, only the east has it
