"""One resource that cannot be stored costs no other one anything, and is tried again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from kds.applier import Applier
from kds.ownership import FromGlobal, FromZone
from kds.refusals import Pace
from kds.requester import Delivery
from tests.unit.kds.lab import REGISTRY, Side
from ursa.errors import BadRequest
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Create, Lease, Write
from ursa.store.memory import MemoryStore


class PickyStore(MemoryStore):
    """Cannot hold some names, as an engine with a limit cannot."""

    def __init__(self, side: Side) -> None:
        super().__init__(side.clock)
        self.barred: set[str] = set()

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        if any(isinstance(write, Create) and write.resource.name in self.barred for write in writes):
            raise BadRequest("too large for this store")
        return await super().write(writes, fence=fence)


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    side.store = PickyStore(side)
    side.live._store = side.store
    await side.open()
    yield side
    await side.close()


def secret(name: str, **labels: str) -> Resource:
    return Resource("Secret", "default", name, {"data": "aGk="}, labels or {"kuma.io/origin": "global"})


def applier(side: Side) -> Applier:
    made = Applier(side.store, side.live, REGISTRY, side.clock, FromGlobal(), Pace(base=0.2, cap=0.2))
    side.supervisor.start("retry", made.retry_refused)
    return made


async def test_what_the_store_refuses_is_put_aside_and_stored_once_that_works(side: Side) -> None:
    side.store.barred = {"b"}
    receiver = applier(side)
    delivery = Delivery("Secret", "1", complete=True, resources=tuple(secret(name) for name in "abc"))
    problems = await receiver.apply(delivery)
    assert [key.name for key in problems] == ["b"] and "too large" in problems[ResourceKey("Secret", "default", "b")]
    assert [r.name for r in side.live.current.list("Secret")] == ["a", "c"]
    side.store.barred = set()
    await side.until(lambda: side.live.current.get("Secret", "default", "b"))
    assert not receiver.marks["Secret"].quarantined
    assert receiver.marks["Secret"].responses == 1


async def test_a_conflict_is_solved_as_soon_as_the_other_resource_is_gone(side: Side) -> None:
    await side.put(Resource("Secret", "default", "a", {"data": "eA=="}))
    receiver = Applier(side.store, side.live, REGISTRY, side.clock, FromGlobal(), Pace(base=1000))
    side.supervisor.start("retry", receiver.retry_refused)
    problems = await receiver.apply(Delivery("Secret", "1", complete=True, resources=(secret("a"), secret("b"))))
    assert len(problems) == 1 and receiver.marks["Secret"].quarantined
    await side.delete("Secret", "default", "a")
    stored = await side.until(lambda: side.live.current.get("Secret", "default", "a"))
    assert stored.spec == {"data": "aGk="}


async def test_names_of_quarantined_resources_are_those_of_this_side(side: Side) -> None:
    receiver = Applier(side.store, side.live, REGISTRY, side.clock, FromZone("east", hashed=False))
    broken = ResourceKey("Dataplane", "default", "web")
    await receiver.apply(Delivery("Dataplane", "1", complete=False, quarantined={broken: "unreadable"}))
    assert receiver.marks["Dataplane"].quarantined == {"Dataplane default/east.web": "unreadable"}
