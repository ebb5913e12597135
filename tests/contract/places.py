"""Where the engines under test keep things: a fresh place per test, on servers shared by all tests."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Protocol

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.servers.etcd import Etcd
from tests.servers.postgres import Postgres
from tests.servers.process import Server
from tests.servers.redis import RedisServer
from ursa.errors import Unavailable
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock, SystemClock
from ursa.runtime.config.store import StoreEtcd, StoreRedis
from ursa.store.contract import Store, create
from ursa.store.etcd import EtcdStore
from ursa.store.etcd_client import EtcdClient, GivenUp
from ursa.store.etcd_keys import Keys, put
from ursa.store.etcd_methods import TXN
from ursa.store.memory import MemoryStore
from ursa.store.postgres import PostgresStore
from ursa.store.redis import RedisStore
from ursa.store.redis_client import connect
from ursa.store.sealed import SealedStore
from ursa.store.sealing import Sealer, SealingKey
from ursa.store.sqlite import SqliteStore
from ursa.wire import etcd_pb2 as pb

_numbers = itertools.count()


class Place(Protocol):
    """One store's contents, wherever they are."""

    def make(self, clock: Clock | None = None) -> Store:
        """A store on these contents, not yet opened."""


class DurablePlace(Place, Protocol):
    """Contents that somebody else can lay hands on."""

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        """Writes something else where a resource is."""

    async def age(self) -> None:
        """Marks it as laid out by a later version of this program."""


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Store]:
    """A store on the contents of a place."""
    store = place.make()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class SharedPlace(DurablePlace, Protocol):
    """Contents on a server."""

    async def start(self) -> None:
        """Starts the server again."""

    async def kill(self) -> None:
        """Ends the server without warning."""

    def freeze(self) -> None:
        """Makes the server hang."""

    def thaw(self) -> None:
        """Lets it go on."""

    async def wipe(self) -> None:
        """Loses everything that this place contains."""

    async def forget_history(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes the engine drop all history that it may drop."""

    def lose_answer(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets the server do what it is asked next, but its answer get lost on the way."""


class Once:
    """True once."""

    def __init__(self) -> None:
        self._left = 1

    def __bool__(self) -> bool:
        self._left, now = 0, self._left
        return bool(now)


class ServerPlace:
    """What all places on servers have in common: what befalls the server."""

    def __init__(self, *processes: Server) -> None:
        self._processes = processes

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self._processes))

    async def kill(self) -> None:
        await asyncio.gather(*(process.kill() for process in self._processes))

    def freeze(self) -> None:
        for process in self._processes:
            process.freeze()

    def thaw(self) -> None:
        for process in self._processes:
            process.thaw()


class MemoryPlace:
    def make(self, clock: Clock | None = None) -> Store:
        return MemoryStore(clock or SystemClock())


class SqlitePlace:
    def __init__(self, folder: Path) -> None:
        self._path = str(folder / "s.db")

    def make(self, clock: Clock | None = None) -> Store:
        return SqliteStore(self._path, clock or SystemClock())

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as database:
            database.execute("UPDATE resources SET spec = ? WHERE name = ?", (body, key.name))

    async def age(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as database:
            database.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")


class SealedPlace:
    """An engine behind the encryption of secrets, which must not show."""

    def __init__(self, folder: Path) -> None:
        self._inner = SqlitePlace(folder)

    def make(self, clock: Clock | None = None) -> Store:
        return SealedStore(self._inner.make(clock), Sealer([SealingKey("k1", bytes(range(32)))]))

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        await self._inner.damage(key, body)

    async def age(self) -> None:
        await self._inner.age()


class PostgresPlace(ServerPlace):
    def __init__(self, server: Postgres) -> None:
        super().__init__(server.server)
        self._server, self._database = server, f"test-{next(_numbers)}"
        server.create_database(self._database)

    def make(self, clock: Clock | None = None) -> Store:
        return PostgresStore(self._server.access(self._database, connection_timeout=2), clock or SystemClock())

    async def age(self) -> None:
        self._server.psql("UPDATE ursa_head SET schema = 99", self._database)

    async def wipe(self) -> None:
        self._server.psql("DROP TABLE ursa_head, ursa_resources, ursa_changes, ursa_leases", self._database)

    async def forget_history(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "_kept", 3)
        await create(store, Resource("Config", "", "one-more"))

    def lose_answer(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(store, PostgresStore)
        answered, first = store._pool.transaction, Once()

        @asynccontextmanager
        async def transaction(*, snapshot: bool = False) -> AsyncIterator[Any]:
            async with answered(snapshot=snapshot) as connection:
                yield connection
            if first:
                raise Unavailable("the answer to the commit was lost")

        monkeypatch.setattr(store._pool, "transaction", transaction)

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        value = f"decode('{body.hex()}', 'hex')"
        self._server.psql(f"UPDATE ursa_resources SET body = {value} WHERE name = '{key.name}'", self._database)


class RedisPlace(ServerPlace):
    def __init__(self, server: RedisServer) -> None:
        super().__init__(server.server)
        self._server, self._prefix = server, f"test-{next(_numbers)}"

    def make(self, clock: Clock | None = None) -> Store:
        access = StoreRedis(port=self._server.port, request_timeout="2.0s", prefix=self._prefix)
        return RedisStore(access, clock or SystemClock())

    async def age(self) -> None:
        self._server.cli("HSET", f"{{{self._prefix}}}:head", "schema", "99")

    async def wipe(self) -> None:
        self._server.cli("FLUSHALL")

    async def forget_history(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "_kept", 5)
        await create(store, Resource("Config", "", "one-more"))

    def lose_answer(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(store, RedisStore)
        answered, first = store._commit_script, Once()

        async def run(keys: Sequence[bytes], arguments: Sequence[object]) -> Any:
            answer = await answered(keys, arguments)
            if first:
                raise RedisConnectionError("the answer was lost")
            return answer

        monkeypatch.setattr(store, "_commit_script", run)

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        client = connect(StoreRedis(port=self._server.port))
        await client.hset(f"{{{self._prefix}}}:resources", "\0".join(key), body)
        await client.aclose()


class EtcdPlace(ServerPlace):
    def __init__(self, server: Etcd) -> None:
        super().__init__(*server.members)
        self._server, self._prefix = server, f"/test-{next(_numbers)}"

    def make(self, clock: Clock | None = None) -> Store:
        access = StoreEtcd(endpoints=self._server.endpoints, request_timeout="2.0s", prefix=self._prefix)
        return EtcdStore(access, clock or SystemClock())

    async def age(self) -> None:
        await self._server.ctl("put", f"{self._prefix}/schema", "99")

    async def wipe(self) -> None:
        await self._server.ctl("del", "--prefix", self._prefix)

    async def forget_history(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        await self._server.ctl("compact", str(await store.revision()))

    def lose_answer(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(store, EtcdStore)
        answered, first = store._client._attempt, Once()

        async def attempt(method: Any, request: Any, endpoint: int, **limits: Any) -> Any:
            answer = await answered(method, request, endpoint, **limits)
            writes = method is TXN and any(not one.HasField("request_range") for one in request.success)
            if writes and first:
                raise GivenUp("the answer was lost", hangs=True)
            return answer

        monkeypatch.setattr(store._client, "_attempt", attempt)

    async def damage(self, key: ResourceKey, body: bytes) -> None:
        client = EtcdClient(StoreEtcd(endpoints=self._server.endpoints), SystemClock())
        await client.call(TXN, pb.TxnRequest(success=[put(Keys(self._prefix).resource(key), body)]))
        await client.close()
