"""What only Redis needs: an honest word about its persistence, and a feed that notices lost history."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.contract.samples import take, timeout
from tests.servers.redis import RedisServer
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Compacted, create
from ursa.store.redis import RedisStore
from ursa.store.redis_client import RedisAccess


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ((), ""),
        (("--appendonly", "no"), "since the last snapshot"),
        (("--appendfsync", "everysec"), "about a second"),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "vanish when memory is short"),
    ],
)
async def test_it_says_at_the_start_what_the_server_could_lose(
    settings: tuple[str, ...], warned: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path, settings)
    await server.start()
    store = RedisStore(RedisAccess("127.0.0.1", server.port), SystemClock())
    with caplog.at_level(logging.WARNING):
        await store.open()
    await store.close()
    await server.stop()
    told = [record.__dict__["why"] for record in caplog.records if record.name == "ursa.store.redis"]
    assert len(told) == bool(warned)
    assert warned in "".join(told)


async def test_history_that_was_lost_and_written_anew_is_noticed(redis_server: RedisServer) -> None:
    store = RedisStore(RedisAccess("127.0.0.1", redis_server.port), SystemClock(), prefix="lost")
    await store.open()
    await create(store, timeout("a"))
    lost = await create(store, timeout("b"))
    assert (await take(store, lost.version - 1, 1))[0].revision == lost.version
    # A crash that took the last change, and somebody else who wrote another one before we came back.
    redis_server.cli("XDEL", "{lost}:changes", f"{lost.version}-0")
    redis_server.cli("HSET", "{lost}:head", "revision", str(lost.version - 1))
    with pytest.raises(Compacted):
        await take(store, lost.version, 1)
    redis_server.cli("DEL", "{lost}:changes")
    other = RedisStore(RedisAccess("127.0.0.1", redis_server.port), SystemClock(), prefix="lost")
    await other.open()
    again = await create(other, timeout("c"))
    assert again.version == lost.version
    with pytest.raises(Compacted, match="another one"):
        await take(store, lost.version, 1)
    await other.close()
    await store.close()
