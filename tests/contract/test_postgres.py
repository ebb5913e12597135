"""What only PostgreSQL needs: poolers, replicas, TLS, migrations."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from prometheus_client import CollectorRegistry

from tests.contract.samples import names, take, timeout
from tests.servers.certificates import Authority
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StorePostgres, StorePostgresReadReplica, StorePostgresTls
from ursa.store.contract import Compacted, create, update
from ursa.store.postgres import PostgresStore


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter."""
    with TemporaryDirectory(prefix="ursa-postgres-") as found:
        Path(found).chmod(0o755)
        yield Path(found)


def access(server: Postgres, database: str, **more: object) -> StorePostgres:
    server.create_database(database)
    return server.access(database, **{"connection_timeout": 3, **more})


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a condition of the test, not an event
            await asyncio.sleep(0.05)


async def test_a_pooler_in_transaction_mode(
    postgres_server: Postgres, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    direct = access(postgres_server, "pooled", notification_timeout=0.5)
    bouncer = PgBouncer(folder, postgres_server.port)
    await bouncer.server.start()
    stores = [PostgresStore(direct.model_copy(update={"port": bouncer.port}), SystemClock()) for _ in range(3)]
    try:
        with caplog.at_level(logging.WARNING):
            await asyncio.gather(*(store.open() for store in stores))
            first = await create(stores[0], timeout("first"))
            watching = asyncio.create_task(take(stores[1], first.version, 90))
            await asyncio.gather(
                *(create(store, timeout(f"t{i}-{n}")) for i in range(30) for n, store in enumerate(stores))
            )
            assert len(names(await watching)) == 90
            await reached(lambda: "do not arrive" in caplog.text)
        assert len((await stores[2].contents()).resources) == 91
        later = asyncio.create_task(take(stores[1], await stores[0].revision(), 1))
        await asyncio.sleep(0.3)
        await update(stores[2], timeout("first", "9s"))
        assert names(await later) == ["first"]
        lease = await stores[0].acquire("leader", "one", 5)
        waiting = asyncio.create_task(stores[1].acquire("leader", "two", 5))
        await lease.release()
        await (await waiting).release()
    finally:
        await asyncio.gather(*(store.close() for store in stores))
        await bouncer.server.kill()


async def test_listings_go_to_a_replica_and_come_back_when_it_dies(
    postgres_server: Postgres, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    primary = access(postgres_server, "replicated")
    replica = postgres_server.copy(folder)
    await replica.start()
    reading = StorePostgresReadReplica(host="127.0.0.1", port=postgres_server.replica_port)
    store = PostgresStore(primary.model_copy(update={"read_replica": reading}), SystemClock())
    try:
        await store.open()
        stored = await create(store, timeout("x"))
        async with asyncio.timeout(20):
            while not (await store.list("MeshTimeout")).items:  # noqa: ASYNC110 - a replica follows in its own time
                await asyncio.sleep(0.05)
        assert (await store.list("MeshTimeout")).items == (stored,)
        postgres_server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        replica.freeze()
        await update(store, timeout("x", "9s"))
        replica.thaw()
        await replica.kill()
        with caplog.at_level(logging.WARNING):
            assert (await store.list("MeshTimeout")).items[0].same_content(timeout("x", "9s"))
        assert "replica cannot be read" in caplog.text
    finally:
        await store.close()
        await replica.kill()


async def opens(where: StorePostgres) -> bool:
    store = PostgresStore(where, SystemClock())
    try:
        await store.open()
    except Unavailable:
        return False
    finally:
        await store.close()
    return True


async def test_another_server_is_found_when_the_primary_dies_and_lost_history_is_noticed(folder: Path) -> None:
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    primary = Postgres(folder / "one")
    await primary.start()
    replica = primary.copy(folder / "two")
    await replica.start()
    # The one that takes no writes comes first, and is passed over.
    hosts = f"127.0.0.1:{primary.replica_port},127.0.0.1:{primary.port}"
    where = primary.access(host=hosts, connection_timeout=4)
    store, other = PostgresStore(where, SystemClock()), PostgresStore(where, SystemClock())
    try:
        await store.open()
        await other.open()
        kept = await create(store, timeout("kept"))
        there = "SELECT count(*) FROM ursa_resources"
        await reached(lambda: int(primary.ask(there, port=primary.replica_port)) == 1)
        replica.freeze()
        primary.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        lost = await create(store, timeout("lost"))
        assert names(await take(store, kept.version, 1)) == ["lost"]
        await primary.kill()
        replica.thaw()
        primary.ask("SELECT pg_promote()", port=primary.replica_port)
        instead = await create(other, timeout("instead"))
        assert instead.version == lost.version, "the same number for something else"
        with pytest.raises(Compacted, match="another one"):
            await take(store, lost.version, 1)
        contents = await store.contents()
        assert sorted(r.name for r in contents.resources) == ["instead", "kept"]
        after = await create(store, timeout("after"))
        assert (await take(store, contents.revision, 1))[0].changes[0].after == after
    finally:
        await store.close()
        await other.close()
        await replica.kill()
        await primary.kill()


async def test_a_server_that_was_demoted_is_let_go_of(postgres_server: Postgres) -> None:
    where = access(postgres_server, "demoted", connection_timeout=1)
    store = PostgresStore(where, SystemClock())
    try:
        await store.open()
        await create(store, timeout("before"))
        # Connections that were made before stay as they are, like those to a primary that became a replica.
        postgres_server.psql('ALTER DATABASE "demoted" SET default_transaction_read_only = on')
        postgres_server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'demoted'")
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="read-only transaction"):
            await create(store, timeout("never"))
        postgres_server.psql('ALTER DATABASE "demoted" SET default_transaction_read_only = off')
        await create(store, timeout("after"))
    finally:
        await store.close()


async def test_tls_modes(folder: Path) -> None:
    authority, stranger = Authority(folder), Authority(folder, "other-ca")
    pair = authority.issue("server")
    if folder.stat().st_uid == 0:
        for file in (pair.cert, pair.key):
            shutil.chown(file, "postgres")
    data = folder / "server"
    data.mkdir()
    server = Postgres(data, settings=("ssl=on", f"ssl_cert_file={pair.cert}", f"ssl_key_file={pair.key}"))
    await server.start()
    plain = access(server, "tls")
    try:
        for settings in (
            StorePostgresTls(mode="verifyNone"),
            StorePostgresTls(mode="verifyCa", ca_path=str(authority.cert)),
            StorePostgresTls(mode="verifyFull", ca_path=str(authority.cert)),
            StorePostgresTls(mode="verifyCa", ca_path=str(authority.cert), disable_sslsni=True),
        ):
            store = PostgresStore(plain.model_copy(update={"tls": settings}), SystemClock())
            await store.open()
            await store.close()
        unknown = StorePostgresTls(mode="verifyCa", ca_path=str(stranger.cert))
        refused = PostgresStore(plain.model_copy(update={"tls": unknown}), SystemClock())
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await refused.open()
        await refused.close()
        # Another name in a certificate of the right authority: all that verifyFull minds and verifyCa does not.
        other = authority.issue("server", host="elsewhere", address="10.9.9.9")
        if folder.stat().st_uid == 0:
            shutil.chown(other.key, "postgres")
        server.psql("SELECT pg_reload_conf()")
        full, ca = (StorePostgresTls(mode=mode, ca_path=str(authority.cert)) for mode in ("verifyFull", "verifyCa"))
        async with asyncio.timeout(20):
            while await opens(plain.model_copy(update={"tls": full})):  # noqa: ASYNC110 - the server reloads
                await asyncio.sleep(0.05)
        assert await opens(plain.model_copy(update={"tls": ca}))
        with pytest.raises(ConfigError):
            mute = StorePostgresTls(mode="verifyFull", disable_sslsni=True)
            await PostgresStore(plain.model_copy(update={"tls": mute}), SystemClock()).open()
    finally:
        await server.kill()


def sessions(server: Postgres, database: str) -> int:
    """Connections that the server sees, without the one that listens and the one that asks."""
    return int(server.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'", "postgres")) - 1


async def storm(store: PostgresStore, server: Postgres, database: str) -> int:
    """Reads fifty times at once; the most connections that the server saw meanwhile."""
    reading = asyncio.gather(*(store.list("MeshTimeout") for _ in range(50)))
    most = 0
    while not reading.done():
        most = max(most, await asyncio.to_thread(sessions, server, database))
    await reading
    return most


@pytest.mark.parametrize(
    ("settings", "at_most", "at_rest"),
    [
        ({"max_open_connections": 3}, 3, range(2, 4)),
        ({"min_open_connections": 4, "max_open_connections": 6}, 6, range(4, 7)),
        ({"max_open_connections": 8, "max_idle_connections": 2}, 8, range(1, 3)),
        ({"max_open_connections": 8, "max_idle_connections": 0}, 8, range(1, 3)),
        ({"max_open_connections": 8, "max_idle_connections": -1}, 8, range(1)),
        ({"max_open_connections": 8, "max_idle_connections": -1, "min_open_connections": 2}, 8, range(1, 3)),
        ({"max_open_connections": 5, "max_connection_idle_time": 0.5}, 5, range(1)),
        (
            {"max_open_connections": 5, "max_connection_lifetime": 0.0, "max_connection_lifetime_jitter": 0.0},
            5,
            range(1),
        ),
        ({"max_open_connections": 0}, 200, range(2, 60)),
    ],
)
async def test_the_pool_keeps_its_bounds(
    postgres_server: Postgres, settings: dict[str, float], at_most: int, at_rest: range
) -> None:
    database = f"pool-{SystemClock().new_id()}"
    where = access(postgres_server, database, connection_timeout=20, **settings)
    store = PostgresStore(where, SystemClock())
    try:
        await store.open()
        await create(store, timeout("x"))
        assert sessions(postgres_server, database) >= where.min_open_connections
        assert await storm(store, postgres_server, database) <= at_most
        await reached(lambda: sessions(postgres_server, database) in at_rest)
        assert len((await store.list("MeshTimeout")).items) == 1
    finally:
        await store.close()


async def test_many_processes_may_migrate_at_once_and_none_downwards(postgres_server: Postgres) -> None:
    where = access(postgres_server, "migrated")
    stores = [PostgresStore(where, SystemClock()) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    await create(stores[0], timeout("x"))
    assert [len((await store.contents()).resources) for store in stores] == [1] * 5
    await asyncio.gather(*(store.close() for store in stores))
    postgres_server.psql("UPDATE ursa_head SET schema = 99", "migrated")
    newer = PostgresStore(where, SystemClock())
    with pytest.raises(ConfigError, match="schema version 99"):
        await newer.open()
    await newer.close()


async def test_a_wrong_password_does_not_show(postgres_server: Postgres) -> None:
    store = PostgresStore(access(postgres_server, "secretive", password="not-this-one"), SystemClock())
    with pytest.raises(Unavailable, match="password authentication failed") as refusal:
        await store.open()
    assert "not-this-one" not in str(refusal.value)
    await store.close()


async def test_a_server_that_takes_no_writes_is_unavailable_until_it_does(postgres_server: Postgres) -> None:
    where = access(postgres_server, "standby", connection_timeout=1)
    store = PostgresStore(where, SystemClock())
    try:
        await store.open()
        first = await create(store, timeout("before"))
        postgres_server.psql('ALTER DATABASE "standby" SET default_transaction_read_only = on')
        postgres_server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'standby'")
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="read-only transaction"):
            await create(store, timeout("never"))
        assert await store.get(first.key) == first
        postgres_server.psql('ALTER DATABASE "standby" SET default_transaction_read_only = off')
        postgres_server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'standby'")
        await asyncio.sleep(0.2)
        await create(store, timeout("after"))
        assert names(await take(store, first.version, 1)) == ["after"]
    finally:
        await store.close()


async def test_a_listener_that_is_cut_off_listens_again(postgres_server: Postgres) -> None:
    where = access(postgres_server, "deaf")
    store, other = PostgresStore(where, SystemClock()), PostgresStore(where, SystemClock())
    await store.open()
    await other.open()
    listeners = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'deaf' AND query LIKE 'LISTEN%'"
    try:
        last = await create(other, timeout("t0"))
        for number in range(1, 4):
            watching = asyncio.create_task(take(store, last.version, 1))
            await reached(lambda: int(postgres_server.ask(listeners)) == 2)
            postgres_server.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'deaf' AND query LIKE 'LISTEN%'"
            )
            # While nobody listens: the one that listens anew has to look by itself.
            last = await create(other, timeout(f"t{number}"))
            assert names(await watching) == [f"t{number}"]
    finally:
        await store.close()
        await other.close()


async def test_connections_are_counted(postgres_server: Postgres) -> None:
    metrics = CollectorRegistry()
    limited = access(postgres_server, "counted", max_open_connections=3, max_idle_connections=1)
    store = PostgresStore(limited, SystemClock(), metrics=metrics)

    def told(name: str, **labels: str) -> float:
        return metrics.get_sample_value(f"store_postgres_{name}", labels) or 0

    await store.open()
    try:
        await asyncio.gather(*(store.revision() for _ in range(10)))
        assert told("connections", type="max_open_connections") == 3
        assert told("connections", type="open_connections") >= 1
        assert told("new_connection_acquire_count") >= 1

        def present() -> float:
            return told("new_connection_acquire_count") - told("connections_destroyed_total")

        # That one is gone is heard a moment after it went.
        await reached(lambda: present() == told("connections", type="open_connections"))
    finally:
        await store.close()
