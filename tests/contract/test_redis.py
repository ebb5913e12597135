"""What only Redis needs: an honest word about its persistence, and a feed that notices lost history."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.contract.samples import take, timeout
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer
from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreRedis, StoreRedisTls
from ursa.store.contract import Compacted, Full, create, delete
from ursa.store.redis import RedisStore


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
    store = RedisStore(StoreRedis(port=server.port), SystemClock())
    with caplog.at_level(logging.WARNING):
        await store.open()
    await store.close()
    await server.stop()
    told = [record.__dict__["why"] for record in caplog.records if record.name == "ursa.store.redis"]
    assert len(told) == bool(warned)
    assert warned in "".join(told)


async def test_tls_and_passwords(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "other-ca")
    pair, port = authority.issue("server"), free_port()
    files = ("--tls-cert-file", str(pair.cert), "--tls-key-file", str(pair.key))
    trust = ("--tls-ca-cert-file", str(authority.cert), "--tls-auth-clients", "no")
    server = RedisServer(tmp_path, ("--tls-port", str(port), *files, *trust), password="not-to-be-seen")
    await server.start()
    tls = StoreRedisTls(enabled=True, ca_path=str(authority.cert))
    good = StoreRedis(port=port, password="not-to-be-seen", tls=tls, request_timeout="2s")
    try:
        store = RedisStore(good, SystemClock())
        await store.open()
        await create(store, timeout("x"))
        await store.close()
        for bad in (
            good.model_copy(update={"tls": tls.model_copy(update={"ca_path": str(stranger.cert)})}),
            good.model_copy(update={"password": "wrong-but-secret"}),
            good.model_copy(update={"password": ""}),
            good.model_copy(update={"tls": StoreRedisTls()}),
        ):
            refused = RedisStore(bad, SystemClock())
            with pytest.raises(Unavailable) as refusal:
                await refused.open()
            assert "secret" not in str(refusal.value) and "not-to-be-seen" not in str(refusal.value)
            await refused.close()
    finally:
        await server.kill()


async def test_history_that_was_lost_and_written_anew_is_noticed(redis_server: RedisServer) -> None:
    store = RedisStore(StoreRedis(port=redis_server.port, prefix="lost"), SystemClock())
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
    other = RedisStore(StoreRedis(port=redis_server.port, prefix="lost"), SystemClock())
    await other.open()
    again = await create(other, timeout("c"))
    assert again.version == lost.version
    with pytest.raises(Compacted, match="another one"):
        await take(store, lost.version, 1)
    # Whoever has read everything anew goes on, although the revision has the number of the lost one.
    contents = await store.contents()
    assert contents.revision == again.version and "c" in {r.name for r in contents.resources}
    after = await create(other, timeout("d"))
    assert (await take(store, contents.revision, 1))[0].changes[0].after == after
    await other.close()
    await store.close()


async def test_a_change_that_is_missing_in_the_stream_is_not_passed_over(redis_server: RedisServer) -> None:
    store = RedisStore(StoreRedis(port=redis_server.port, prefix="holed"), SystemClock())
    await store.open()
    first, second, _ = [await create(store, timeout(name)) for name in "abc"]
    redis_server.cli("XDEL", "{holed}:changes", f"{second.version}-0")
    with pytest.raises(Compacted, match="no longer held"):
        await take(store, first.version, 1)
    await store.close()


async def test_a_server_that_became_a_replica_is_unavailable_until_it_leads_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    await server.start()
    store = RedisStore(StoreRedis(port=server.port, request_timeout="1s"), SystemClock())
    try:
        await store.open()
        first = await create(store, timeout("before"))
        # Of a master that is not there: it keeps what it has and takes no writes.
        server.cli("REPLICAOF", "127.0.0.1", str(free_port()))
        with pytest.raises(Unavailable, match="read only replica"):
            await create(store, timeout("never"))
        assert await store.get(first.key) == first
        server.cli("REPLICAOF", "NO", "ONE")
        after = await create(store, timeout("after"))
        assert sorted(r.name for r in (await store.contents()).resources) == ["after", "before"]
        assert (await take(store, first.version, 1))[0].changes[0].after == after
    finally:
        await store.close()
        await server.kill()


async def test_a_server_without_memory_refuses_writes_in_words_and_goes_on_with_room(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, ("--maxmemory-policy", "noeviction"))
    await server.start()
    store = RedisStore(StoreRedis(port=server.port, request_timeout="1s"), SystemClock())
    try:
        await store.open()
        first, second = await create(store, timeout("before")), await create(store, timeout("second"))
        server.cli("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(Full, match="used memory"):
            await create(store, timeout("never"))
        results = await asyncio.gather(
            create(store, timeout("never")), delete(store, second.key), return_exceptions=True
        )
        assert [type(r).__name__ for r in results] == ["Full", "NoneType"]
        # Who comes now finds everything; who leads goes on, and may be followed.
        late = RedisStore(StoreRedis(port=server.port), SystemClock())
        await late.open()
        assert (await late.contents()).resources == (first,)
        await late.close()
        lease = await store.acquire("leader", "one", 1)
        await asyncio.sleep(1.5)
        assert lease.held
        await lease.release()
        await (await store.acquire("leader", "two", 1)).release()
        revision = await store.revision()
        assert (await store.contents()).resources == (first,)
        server.cli("CONFIG", "SET", "maxmemory", "0")
        after = await create(store, timeout("after"))
        assert (await take(store, revision, 1))[0].changes[0].after == after
        assert {r.name for r in (await store.contents()).resources} == {"before", "after"}
    finally:
        await store.close()
        await server.kill()


async def test_reads_do_not_notice_that_their_connection_was_closed(redis_server: RedisServer) -> None:
    store = RedisStore(StoreRedis(port=redis_server.port), SystemClock())
    await store.open()
    try:
        written = await create(store, timeout("t"))
        for read in (store.revision, lambda: store.get(written.key), lambda: store.list("MeshTimeout")):
            # Not awaited, so nothing here hears of the end of the connection before it is used.
            redis_server.cli("CLIENT", "KILL", "TYPE", "normal")
            assert await read()
    finally:
        await store.close()
