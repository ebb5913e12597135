"""Settings of sizes and pauses reach the engine that they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.samples import take, timeout
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.config.tree import Settings
from ursa.store.contract import Compacted, create
from ursa.store.engines import open_store
from ursa.store.tuning import USUAL, Tuning, tuning_of


def settings(**variables: str) -> Settings:
    return load(None, variables).settings


def test_the_defaults_are_those_of_the_settings() -> None:
    assert tuning_of(settings().store) == USUAL


def test_every_size_has_a_setting() -> None:
    found = settings(URSA_STORE_KEPT_CHANGES="7", URSA_STORE_MAX_WAITING_CALLS="9", KUMA_STORE_WRITES_GROUP="3")
    assert tuning_of(found.store) == Tuning(kept=7, queue=9, group=3)


async def test_as_many_changes_are_kept_as_the_settings_say(tmp_path: Path) -> None:
    file = str(tmp_path / "s.db")
    for kept, is_held in (("1000", True), ("5", False)):
        store = open_store(settings(URSA_STORE_SQLITE_PATH=file, URSA_STORE_KEPT_CHANGES=kept), SystemClock())
        await store.open()
        for number in range(30):
            await create(store, timeout(f"{kept}-{number}"))
        await store.close()
        await store.open()
        if is_held:
            assert len(await take(store, 0, 30)) == 30
        else:
            with pytest.raises(Compacted):
                await take(store, 0, 1)
        await store.close()
