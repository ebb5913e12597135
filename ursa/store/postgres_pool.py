"""Connections to PostgreSQL: TLS, a pool, errors in our words.

Everything happens inside explicit transactions and nothing is prepared across them, so a pooler in transaction mode
(pgbouncer) may sit in between.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StorePostgres
from ursa.store.contract import Full

GONE = "PostgreSQL holds another store than before, its contents were lost or replaced; " + (
    "restart this control plane if that was intended"
)

UNLIMITED = 200
"""Connections of a pool that has no maximum: more than servers take unless told to."""

_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


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

    def __init__(self, access: StorePostgres, clock: Clock, *, host: str, port: int) -> None:
        self._access, self._clock = access, clock
        self._where = {"host": host, "port": port}
        self._pool: Any = None
        self._staying = 0

    async def open(self) -> None:
        """Makes the pool; connections come when they are needed. A second call does nothing."""
        if self._pool is not None:
            return
        access = self._access
        largest = access.max_open_connections or UNLIMITED
        async with unavailable():
            self._pool = await asyncpg.create_pool(
                **self._options(),
                connection_class=_Connection,
                min_size=min(access.min_open_connections, largest),
                max_size=largest,
                max_inactive_connection_lifetime=access.max_connection_idle_time,
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
        most = max(self._access.max_idle_connections or 2, self._access.min_open_connections)
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
        jitter = self._clock.uniform(0, self._access.max_connection_lifetime_jitter)
        connection.live_until(self._clock.monotonic() + self._access.max_connection_lifetime + jitter)

    def _options(self) -> dict[str, Any]:
        access = self._access
        return {
            **self._where,
            "user": access.user,
            "password": access.password,
            "database": access.db_name,
            "ssl": _tls(access),
            "timeout": access.connection_timeout,
            # Kuma's setting is about connections; a statement may take longer, but not for ever.
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
    except asyncpg.DiskFullError as error:
        raise Full(f"PostgreSQL: {error}; make room on its disk") from error
    except _ERRORS as error:
        raise Unavailable(f"PostgreSQL: {error or type(error).__name__}") from error


def _tls(access: StorePostgres) -> ssl.SSLContext | bool:
    tls = access.tls
    if tls.mode == "disable":
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if not tls.disable_sslsni else _NoSni(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.mode == "verifyFull"
    context.verify_mode = ssl.CERT_NONE if tls.mode == "verifyNone" else ssl.CERT_REQUIRED
    if context.check_hostname and tls.disable_sslsni:
        raise ConfigError("store.postgres.tls: verifyFull needs SNI, disableSSLSNI must be off")
    try:
        if tls.ca_path:
            context.load_verify_locations(tls.ca_path)
        elif tls.mode != "verifyNone":
            context.load_default_certs()
        if tls.cert_path:
            context.load_cert_chain(tls.cert_path, tls.key_path or None)
    except OSError as error:
        raise ConfigError(f"store.postgres.tls: {error}") from None
    return context
