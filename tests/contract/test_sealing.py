"""Secrets are encrypted at rest in every engine that keeps things; keys are rotated, and the wrong ones noticed."""

from __future__ import annotations

import pytest

from tests.contract.conftest import SHARED
from tests.contract.places import DurablePlace, opened
from tests.contract.samples import by_name, take
from ursa.errors import ConfigError
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import create
from ursa.store.sealed import SealedStore
from ursa.store.sealing import SEALED, Sealer, SealingKey

OLD, NEW, OTHER = SealingKey("old", bytes(32)), SealingKey("new", bytes([1] * 32)), SealingKey("old", bytes([2] * 32))


async def sealed(place: DurablePlace, *keys: SealingKey) -> SealedStore:
    store = SealedStore(place.make(SystemClock()), Sealer(keys))
    await store.open()
    return store


@pytest.mark.parametrize("durable", ["sqlite", *SHARED], indirect=True)
async def test_secrets_are_sealed_rotated_and_refused_to_the_wrong_key(durable: DurablePlace) -> None:
    store = await sealed(durable, OLD)
    secrets = [await create(store, Resource("Secret", "default", f"s{i}", {"data": f"c2VjcmV0{i}"})) for i in range(3)]
    assert by_name((await store.contents()).resources) == by_name(secrets)
    await store.close()
    async with opened(durable) as raw:
        history = [change.after for b in await take(raw, secrets[0].version - 1, 3) for change in b.changes]
        for found in (*(await raw.contents()).resources, *history):
            assert found is not None and set(found.spec) == {SEALED} and "c2VjcmV0" not in str(found.spec)
    for keys, said in (
        ((), "sealed with the key 'old'"),
        ((NEW,), "sealed with the key 'old'"),
        ((OTHER,), "another one"),
    ):
        with pytest.raises(ConfigError, match=said):
            await sealed(durable, *keys)
    rotating = await sealed(durable, NEW, OLD)
    assert await rotating.seal_anew() == 3
    await rotating.close()
    store = await sealed(durable, NEW)
    assert {r.name: r.spec for r in (await store.contents()).resources} == {r.name: r.spec for r in secrets}
    await store.close()
