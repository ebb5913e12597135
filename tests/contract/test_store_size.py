"""A hundred thousand resources: written, listed, read as a whole, and watched, in every engine."""

from __future__ import annotations

import pytest

from tests.contract.conftest import SHARED
from tests.contract.samples import take
from ursa.model.resource import Resource
from ursa.store.contract import MAX_WRITES, Create, Store, create

COUNT = 100_000


@pytest.mark.parametrize("place", ["memory", "sqlite", *SHARED], indirect=True)
async def test_a_hundred_thousand_resources(store: Store) -> None:
    last = 0
    for start in range(0, COUNT, MAX_WRITES):
        last, _ = await store.write(
            [Create(Resource("Dataplane", f"m{i % 7}", f"d{i:06}", {"i": i})) for i in range(start, start + MAX_WRITES)]
        )
    contents = await store.contents()
    assert contents.revision >= last
    assert {(r.mesh, r.name): r.spec["i"] for r in contents.resources} == {
        (f"m{i % 7}", f"d{i:06}"): i for i in range(COUNT)
    }
    page = await store.list("Dataplane", "m3", after=("m3", "d050000"), limit=100)
    assert [r.name for r in page.items] == [f"d{i:06}" for i in range(50_001, COUNT) if i % 7 == 3][:100]
    one = await create(store, Resource("Dataplane", "m0", "one-more"))
    assert (await take(store, contents.revision, 1))[0].changes[0].after == one
