"""Which writes a delivery leads to, and whose resources it can never touch (`spec/kds.md` §6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kds.ownership import FromGlobal, FromZone, Ownership
from kds.reconcile import Plan, reconcile
from kds.requester import Delivery
from ursa.catalog import default_registry
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Batch, Change, Create, Delete, Update
from ursa.view.view import View

REGISTRY = default_registry()
GLOBAL = {"kuma.io/origin": "global"}
LOCAL = {"kuma.io/origin": "zone"}
ONE = {"kuma.io/origin": "zone", "kuma.io/zone": "zone-1"}
TWO = {"kuma.io/origin": "zone", "kuma.io/zone": "zone-2"}


def policy(name: str, labels: dict[str, str], spec: dict[str, object] | None = None) -> Resource:
    return Resource("MeshTimeout", "m", name, spec or {}, labels)


def plan(
    ownership: Ownership,
    there: list[Resource],
    *received: Resource,
    removed: tuple[str, ...] = (),
    complete: bool = False,
    kind: str = "MeshTimeout",
    quarantined: tuple[str, ...] = (),
) -> Plan:
    view, _ = View().apply(Batch(1, tuple(Change(r.key, r) for r in there)))
    mesh = "" if REGISTRY[kind].global_scope else "m"
    keys = tuple(ResourceKey(kind, mesh, name) for name in removed)
    aside = {ResourceKey(kind, mesh, name): "bad" for name in quarantined}
    return reconcile(Delivery(kind, "1", complete, received, keys, aside), REGISTRY[kind], view, ownership)


def deleted(found: Plan) -> list[str]:
    return [write.key.name for write in found.writes if isinstance(write, Delete)]


def test_a_full_state_deletes_what_the_sender_owns_and_nothing_else() -> None:
    there = [policy("a", GLOBAL), policy("b", GLOBAL), policy("own", LOCAL), policy("unmarked", {})]
    found = plan(FromGlobal(), there, policy("a", GLOBAL), complete=True)
    assert deleted(found) == ["b"]


def test_a_difference_deletes_only_what_it_names() -> None:
    there = [policy("a", GLOBAL), policy("b", GLOBAL), policy("own", LOCAL)]
    assert deleted(plan(FromGlobal(), there, removed=("b", "own", "unknown"))) == ["b"]


def test_what_is_removed_and_sent_at_once_is_an_update() -> None:
    found = plan(FromGlobal(), [policy("a", GLOBAL)], policy("a", GLOBAL, {"to": []}), removed=("a",))
    assert [type(write) for write in found.writes] == [Update]


def test_what_could_not_be_read_is_left_as_it_is() -> None:
    found = plan(FromGlobal(), [policy("a", GLOBAL)], complete=True, quarantined=("a",))
    assert found.writes == ()


def test_equal_content_is_not_written() -> None:
    assert plan(FromGlobal(), [policy("a", GLOBAL)], policy("a", GLOBAL)).writes == ()


def test_kinds_that_zones_cannot_write_belong_to_the_global() -> None:
    there = [Resource("Mesh", "", "old"), Resource("Mesh", "", "kept", {"routing": {}})]
    found = plan(FromGlobal(), there, Resource("Mesh", "", "kept", {}, GLOBAL), complete=True, kind="Mesh")
    assert deleted(found) == ["old"]
    assert [write.resource.name for write in found.writes if isinstance(write, Update)] == ["kept"]


def test_a_zone_keeps_its_status() -> None:
    service = Resource("MeshMultiZoneService", "m", "s", {"a": 1}, GLOBAL, {"vips": [1]})
    sent = replace(service, spec={"a": 2}, status={})
    (write,) = plan(FromGlobal(), [service], sent, kind="MeshMultiZoneService").writes
    assert isinstance(write, Update) and write.resource.status == {"vips": [1]}
    assert plan(FromGlobal(), [service], replace(sent, spec={"a": 1}), kind="MeshMultiZoneService").writes == ()


def test_without_the_mark_of_the_global_nothing_is_stored() -> None:
    assert plan(FromGlobal(), [], policy("a", {})) == Plan((), {})


def test_what_belongs_to_somebody_else_is_refused_with_kumas_text() -> None:
    found = plan(FromGlobal(), [policy("a", LOCAL)], policy("a", GLOBAL))
    text = 'user error\nresource already exists: type="MeshTimeout" name="a" mesh="m"'
    assert found == Plan((), {ResourceKey("MeshTimeout", "m", "a"): text})


def test_a_zone_writes_only_under_its_own_name() -> None:
    found = plan(FromZone("zone-1"), [], policy("a", TWO | {"team": "x"}))
    (write,) = found.writes
    assert isinstance(write, Create) and write.resource.labels == ONE | {"team": "x"}


def test_a_zone_cannot_touch_what_others_have_sent() -> None:
    there = [policy("mine", ONE), policy("theirs", TWO), policy("global", {"kuma.io/zone": "zone-1"})]
    zone = FromZone("zone-1")
    assert deleted(plan(zone, there, complete=True)) == ["mine"]
    assert deleted(plan(zone, there, removed=("theirs", "global"))) == []
    assert len(plan(zone, there, policy("theirs", ONE)).conflicts) == 1


def test_zones_without_hashed_names_get_a_prefix() -> None:
    zone = FromZone("zone-1", hashed=False)
    (write,) = plan(zone, [], policy("a", {})).writes
    assert isinstance(write, Create)
    assert write.resource.name == "zone-1.a" and write.resource.labels["kuma.io/display-name"] == "a"
    assert deleted(plan(zone, [write.resource], removed=("a",))) == ["zone-1.a"]


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (
            "ZoneIngress",
            {"zone": "x", "availableServices": [{"tags": {"kuma.io/zone": "x"}}, {"tags": {"a": "b"}}]},
            {"zone": "zone-1", "availableServices": [{"tags": {"kuma.io/zone": "zone-1"}}, {"tags": {"a": "b"}}]},
        ),
        ("ZoneEgress", {}, {"zone": "zone-1"}),
        (
            "Dataplane",
            {"networking": {"gateway": {"tags": {"kuma.io/zone": "x"}}, "inbound": [{"tags": {}}]}},
            {"networking": {"gateway": {"tags": {"kuma.io/zone": "zone-1"}}, "inbound": [{"tags": {}}]}},
        ),
    ],
)
def test_specs_cannot_claim_another_zone(kind: str, spec: dict[str, object], expected: dict[str, object]) -> None:
    mesh = "" if REGISTRY[kind].global_scope else "m"
    (write,) = plan(FromZone("zone-1"), [], Resource(kind, mesh, "x", spec), kind=kind).writes
    assert isinstance(write, Create) and write.resource.spec == expected
