"""Servers for failure tests, one of each kind per test, because they are mistreated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.etcd import Etcd
from tests.servers.postgres import Postgres
from tests.servers.redis import RedisServer


@dataclass(frozen=True)
class Backend:
    """A running store server: the settings that select it, and how it is mistreated."""

    variables: Mapping[str, str]
    server: Etcd | Postgres | RedisServer
    port: int

    def at(self, port: int) -> Mapping[str, str]:
        """The settings when it is reached at another port."""
        return {name: value.replace(str(self.port), str(port)) for name, value in self.variables.items()}

    async def kill(self) -> None:
        await self.server.kill()

    async def start(self) -> None:
        await self.server.start()


@pytest.fixture(params=["etcd", "postgres", "redis"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    with TemporaryDirectory(prefix="ursa-store-") as folder:
        found = _backend(request.param, Path(folder))
        await found.start()
        yield found
        await found.kill()


def _backend(engine: str, folder: Path) -> Backend:
    kind = {"KUMA_STORE_TYPE": engine}
    if engine == "etcd":
        etcd = Etcd(folder)
        return Backend(
            {**kind, "KUMA_STORE_ETCD_ENDPOINTS": etcd.endpoints[0]},
            etcd,
            port=int(etcd.endpoints[0].rpartition(":")[2]),
        )
    if engine == "redis":
        redis = RedisServer(folder)
        return Backend({**kind, "KUMA_STORE_REDIS_PORT": str(redis.port)}, redis, redis.port)
    postgres = Postgres(folder)
    access = {"PORT": str(postgres.port), "USER": "ursa", "PASSWORD": "ursa", "DB_NAME": "postgres"}
    return Backend(
        {**kind, **{f"KUMA_STORE_POSTGRES_{key}": value for key, value in access.items()}}, postgres, postgres.port
    )
