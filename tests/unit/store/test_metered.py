"""What a store was asked can be read under the names of Kuma's dashboards."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from ursa.errors import Conflict, NotFound
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Create, Update, create, update
from ursa.store.memory import MemoryStore
from ursa.store.metered import MeteredStore

POLICY = Resource("MeshTimeout", "default", "t", {"to": []})
SECRET = Resource("Secret", "default", "s", {"data": "eA=="})


class Metered:
    def __init__(self) -> None:
        self._registry, clock = CollectorRegistry(), SystemClock()
        self.store = MeteredStore(MemoryStore(clock), self._registry, clock)

    def calls(self) -> dict[tuple[str, str], float]:
        samples = [s for m in self._registry.collect() for s in m.samples if s.name == "store_count"]
        return {(s.labels["operation"], s.labels["resource_type"]): s.value for s in samples}

    def conflicts(self, kind: str) -> float | None:
        return self._registry.get_sample_value("store_conflicts", {"resource_type": kind})


async def test_counts_every_operation_by_kind() -> None:
    metered = Metered()
    await metered.store.write([Create(POLICY), Create(SECRET)])
    await update(metered.store, POLICY)
    await metered.store.get(POLICY.key)
    with pytest.raises(NotFound):
        await metered.store.get(POLICY.key._replace(name="other"))
    await metered.store.list("Secret")
    await metered.store.contents()
    assert metered.calls() == {
        ("create", "MeshTimeout"): 1,
        ("create", "Secret"): 1,
        ("update", "MeshTimeout"): 1,
        ("get", "MeshTimeout"): 2,
        ("list", "Secret"): 1,
        ("contents", ""): 1,
    }


async def test_counts_conflicts() -> None:
    metered = Metered()
    stored = await create(metered.store, POLICY)
    with pytest.raises(Conflict):
        await metered.store.write([Update(POLICY, stored.version + 1)])
    assert metered.conflicts("MeshTimeout") == 1
