"""Certificates that are exchanged while a store is in use: the next connection uses what the files hold then."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.samples import names, take, timeout
from tests.servers.certificates import Authority
from tests.servers.etcd import Etcd
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.redis import RedisServer
from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd, StoreEtcdTls, StorePostgresTls, StoreRedis, StoreRedisTls
from ursa.store.contract import Store, create
from ursa.store.etcd import EtcdStore
from ursa.store.postgres import PostgresStore
from ursa.store.redis import RedisStore


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter."""
    with TemporaryDirectory(prefix="ursa-certificates-") as found:
        Path(found).chmod(0o755)
        yield Path(found)


def exchange(folder: Path) -> None:
    """New certificates of a new authority, where the old ones were."""
    authority = Authority(folder)
    authority.issue("client")
    server = authority.issue("server")
    if folder.stat().st_uid == 0:
        for file in (server.cert, server.key):
            shutil.chown(file, "postgres")


def etcd(folder: Path, ca: str, cert: str, key: str) -> tuple[Etcd, Store]:
    files = ("--cert-file", f"{folder}/server.crt", "--key-file", f"{folder}/server.key")
    server = Etcd(
        folder,
        extra=(*files, "--client-cert-auth", "--trusted-ca-file", ca),
        flags=(f"--cacert={ca}", f"--cert={cert}", f"--key={key}"),
        scheme="https",
    )
    tls = StoreEtcdTls(enabled=True, ca_path=ca, cert_path=cert, key_path=key)
    access = StoreEtcd(endpoints=server.endpoints, tls=tls, request_timeout="3s")
    return server, EtcdStore(access, SystemClock())


def postgres(folder: Path, ca: str, cert: str, key: str) -> tuple[Postgres, Store]:
    data = folder / "server"
    data.mkdir()
    files = (f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={folder}/server.key", f"ssl_ca_file={ca}")
    server = Postgres(data, settings=("ssl=on", *files))
    tls = StorePostgresTls(mode="verifyFull", ca_path=ca, cert_path=cert, key_path=key)
    return server, PostgresStore(server.access(tls=tls), SystemClock())


def redis(folder: Path, ca: str, cert: str, key: str) -> tuple[RedisServer, Store]:
    port = free_port()
    files = ("--tls-cert-file", f"{folder}/server.crt", "--tls-key-file", f"{folder}/server.key")
    server = RedisServer(folder, ("--tls-port", str(port), *files, "--tls-ca-cert-file", ca))
    tls = StoreRedisTls(enabled=True, ca_path=ca, cert_path=cert, key_path=key)
    access = StoreRedis(port=port, tls=tls, request_timeout="3s")
    return server, RedisStore(access, SystemClock())


@pytest.mark.parametrize("make", [etcd, postgres, redis])
async def test_certificates_are_exchanged_under_a_store_in_use(folder: Path, make: object) -> None:
    exchange(folder)
    server, store = make(folder, *(f"{folder}/{name}" for name in ("ca.crt", "client.crt", "client.key")))  # type: ignore[operator]
    await server.start()
    try:
        await store.open()
        first = await create(store, timeout("before"))
        await server.kill()
        exchange(folder)
        await server.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    await store.revision()
                except Unavailable:
                    await asyncio.sleep(0.1)
                else:
                    break
        await create(store, timeout("after"))
        assert names(await take(store, first.version, 1)) == ["after"]
    finally:
        await store.close()
        await server.kill()
