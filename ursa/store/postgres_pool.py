"""Connections to PostgreSQL: TLS, a pool, errors in our words.

Everything happens inside explicit transactions and nothing is prepared across them, so a pooler in transaction mode
(pgbouncer) may sit in between.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import Clock

GONE = "PostgreSQL holds another store than before, its contents were lost or replaced; " + (
    "restart this control plane if that was intended"
)

UNLIMITED = 200
"""Connections of a pool that has no maximum: more than servers take unless told to."""

_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class PostgresAccess:
    """Where PostgreSQL is and how it is spoken to; Kuma's settings.

    Attributes:
        host: name, address, or folder of a Unix socket.
        port: of the server.
        user: who we are there.
        password: of that user.
        database: which one.
        tls: `disable`, `verifyNone`, `verifyCa` or `verifyFull`.
        ca, cert, key: files; empty = none.
        sni: whether the server is told the name it is called by.
        connection_timeout: seconds for a connection, and half of those for a statement.
        min_connections, max_connections: of the pool; no maximum = 0.
        max_idle: connections kept while nobody uses them; negative = none, 0 = 2 as in Kuma's older driver.
        idle: seconds after which an unused connection is closed.
        lifetime, lifetime_jitter: seconds after which any is.
        health_check: seconds between looks whether the listening connection is alive.
        replica_host, replica_port: a server for listings; no host = none.
        replica_ratio: per cent of listings that go there.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: str = "disable"
    ca: str = ""
    cert: str = ""
    key: str = ""
    sni: bool = True
    connection_timeout: float = 5.0
    min_connections: int = 0
    max_connections: int = 50
    max_idle: int = 50
    idle: float = 1800.0
    lifetime: float = 3600.0
    lifetime_jitter: float = 60.0
    health_check: float = 30.0
    replica_host: str = ""
    replica_port: int = 5432
    replica_ratio: int = 100


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Leaves nothing behind in a session, so there is nothing to reset; a pooler's sessions are not ours anyway."""

    def get_reset_query(self) -> str:
        return ""

    def live_until(self, time: float) -> None:
        """Says when the connection has lived long enough."""
        self._until = time

    def is_over(self, time: float) -> bool:
        """Whether it has."""
        return time > self._until


class _NoSni(ssl.SSLContext):
    """Says nothing about whom it wants to speak to."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**options, "server_hostname": None})


class Pool:
    """Connections to one server."""

    def __init__(self, access: PostgresAccess, clock: Clock, *, host: str, port: int) -> None:
        self._access, self._clock = access, clock
        self._where = {"host": host, "port": port}
        self._pool: Any = None
        self._staying = 0

    async def open(self) -> None:
        """Makes the pool; connections come when they are needed. A second call does nothing."""
        if self._pool is not None:
            return
        access = self._access
        largest = access.max_connections or UNLIMITED
        async with unavailable():
            self._pool = await asyncpg.create_pool(
                **self._options(),
                connection_class=_Connection,
                min_size=min(access.min_connections, largest),
                max_size=largest,
                max_inactive_connection_lifetime=access.idle,
                init=self._note,
                connect=self._connect,
            )

    async def close(self) -> None:
        """Ends all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def connect(self) -> Any:
        """A connection of its own, beside the pool."""
        async with unavailable():
            return await self._connect(**self._options(), connection_class=_Connection)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Any]:
        """A connection inside a transaction; `snapshot` = one that only reads, everything at the same moment."""
        if self._pool is None:
            raise Unavailable("the store is not open")
        stays = False
        try:
            async with unavailable(), self._pool.acquire(timeout=self._access.connection_timeout) as connection:
                isolation = "repeatable_read" if snapshot else None
                async with connection.transaction(isolation=isolation, readonly=snapshot):
                    yield connection
                stays = not connection.is_over(self._clock.monotonic()) and self._has_room()
                self._staying += stays
                if not stays:
                    await connection.close()
        finally:
            self._staying -= stays

    def _has_room(self) -> bool:
        """Whether one more connection may be unused, beside those that are or are about to be."""
        most = max(self._access.max_idle or 2, self._access.min_connections)
        return bool(self._pool.get_idle_size() + self._staying < most)

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """A connection for the pool, with the certificates that are there now."""
        try:
            tls = _tls(self._access)
        except ConfigError as error:
            # They were good at the start; whoever exchanges them may be about to put the rest in place.
            raise asyncpg.InterfaceError(str(error)) from None
        return await asyncpg.connect(**{**options, "ssl": tls})

    async def _note(self, connection: Any) -> None:
        jitter = self._clock.uniform(0, self._access.lifetime_jitter)
        connection.live_until(self._clock.monotonic() + self._access.lifetime + jitter)

    def _options(self) -> dict[str, Any]:
        access = self._access
        return {
            **self._where,
            "user": access.user,
            "password": access.password,
            "database": access.database,
            "ssl": _tls(access),
            "timeout": access.connection_timeout,
            "command_timeout": access.connection_timeout * 2,
            "statement_cache_size": 0,
        }


@asynccontextmanager
async def unavailable() -> AsyncIterator[None]:
    """Says what asyncpg says in our words."""
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise Unavailable(GONE) from None
    except _ERRORS as error:
        raise Unavailable(f"PostgreSQL: {error or type(error).__name__}") from error


def _tls(access: PostgresAccess) -> ssl.SSLContext | bool:
    if access.tls == "disable":
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if access.sni else _NoSni(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = access.tls == "verifyFull"
    context.verify_mode = ssl.CERT_NONE if access.tls == "verifyNone" else ssl.CERT_REQUIRED
    if context.check_hostname and not access.sni:
        raise ConfigError("store.postgres.tls: verifyFull needs SNI, disableSSLSNI must be off")
    try:
        if access.ca:
            context.load_verify_locations(access.ca)
        elif access.tls != "verifyNone":
            context.load_default_certs()
        if access.cert:
            context.load_cert_chain(access.cert, access.key or None)
    except OSError as error:
        raise ConfigError(f"store.postgres.tls: {error}") from None
    return context
