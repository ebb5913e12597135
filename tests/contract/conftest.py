"""Servers for the engines under test, started once and only when something asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.places import (
    DurablePlace,
    EtcdPlace,
    MemoryPlace,
    Place,
    PostgresPlace,
    RedisPlace,
    SealedPlace,
    SharedPlace,
    SqlitePlace,
)
from tests.servers.etcd import Etcd
from tests.servers.postgres import Postgres
from tests.servers.redis import RedisServer
from ursa.store.contract import Store

SHARED = ("etcd", "postgres", "redis")
ENGINES = ("memory", "sqlite", "sealed", *SHARED)


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with TemporaryDirectory(prefix="ursa-postgres-") as folder:
        server = Postgres(Path(folder))
        asyncio.run(server.start())
        yield server
        asyncio.run(server.stop())


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


def _place(engine: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    match engine:
        case "memory":
            return MemoryPlace()
        case "sqlite":
            return SqlitePlace(folder)
        case "sealed":
            return SealedPlace(folder)
        case "postgres":
            return PostgresPlace(request.getfixturevalue("postgres_server"))
        case "redis":
            return RedisPlace(request.getfixturevalue("redis_server"))
        case _:
            return EtcdPlace(request.getfixturevalue("etcd_server"))


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _place(request.param, request, tmp_path)


@pytest.fixture(params=[engine for engine in ENGINES if engine != "memory"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> DurablePlace:
    found: DurablePlace = _place(request.param, request, tmp_path)  # type: ignore[assignment]
    return found


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _place(request.param, request, tmp_path)


@pytest.fixture
async def shared(shared_place: SharedPlace) -> AsyncIterator[SharedPlace]:
    """A place whose server may be mistreated; it is in order again afterwards."""
    yield shared_place
    await shared_place.start()


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    made = place.make()
    await made.open()
    yield made
    await made.close()
