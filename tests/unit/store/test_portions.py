"""Long lists of writes are cut into what engines take, in order and without loss."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.store.contract import MAX_BYTES, MAX_WRITES, Create, Delete, Write
from ursa.store.memory import MemoryStore
from ursa.store.portions import portions


def of_size(number: int, size: int) -> Write:
    if size == 0:
        return Delete(ResourceKey("Secret", "default", f"s{number}"))
    return Create(Resource("Secret", "default", f"s{number}", {"data": "x" * size}))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from((0, 10, 1000, MAX_BYTES // 2, MAX_BYTES - 400, MAX_BYTES + 1)), max_size=10))
def test_nothing_is_lost_and_nothing_is_too_large(sizes: list[int]) -> None:
    writes = [of_size(number, size) for number, size in enumerate(sizes)]
    parts = list(portions(writes))
    assert [write for part in parts for write in part] == writes
    assert all(parts)
    for part in parts:
        total = sum(len(w.resource.spec["data"]) for w in part if isinstance(w, Create))
        assert len(part) == 1 or total <= MAX_BYTES


async def test_as_many_as_possible_go_together() -> None:
    store = MemoryStore(SystemClock())
    writes = [of_size(number, 10) for number in range(2 * MAX_WRITES + 1)]
    assert [len(part) for part in portions(writes)] == [MAX_WRITES, MAX_WRITES, 1]
    for part in portions(writes):
        await store.write(part)
    assert len((await store.contents()).resources) == len(writes)
