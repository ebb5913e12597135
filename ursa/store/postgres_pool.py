"""Connections to PostgreSQL: TLS, a pool, errors in our words.

Everything happens inside explicit transactions and nothing is prepared across them, so a pooler in transaction mode
(pgbouncer) may sit in between.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
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
        self._places = _places(host, port)
        self._place = self._places[0]
        self._pool: Any = None
        self._staying = 0
        self.made = self.ended = 0
        """Connections of the pool that were made so far, and how many of them are gone."""

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

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many connections there are, by what is counted."""
        if self._pool is None:
            return {}
        total, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {
            "open_connections": total,
            "idle": idle,
            "in_use": total - idle,
            "max_open_connections": self._pool.get_max_size(),
        }

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
            async with (
                self._led(),
                unavailable(),
                self._pool.acquire(timeout=self._access.connection_timeout) as connection,
            ):
                isolation = "repeatable_read" if snapshot else None
                async with connection.transaction(isolation=isolation, readonly=snapshot):
                    yield connection
                stays = not connection.is_over(self._clock.monotonic()) and self._has_room()
                self._staying += stays
                if not stays:
                    await connection.close()
        finally:
            self._staying -= stays

    @asynccontextmanager
    async def _led(self) -> AsyncIterator[None]:
        """Lets go of all connections when their server has become one that takes no writes."""
        try:
            yield
        except Unavailable as error:
            if isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
                await self._pool.expire_connections()
            raise

    def _has_room(self) -> bool:
        """Whether one more connection may be unused, beside those that are or are about to be."""
        most = max(self._access.max_idle_connections or 2, self._access.min_open_connections)
        return bool(self._pool.get_idle_size() + self._staying < most)

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """A connection for the pool, with the certificates that are there now, to the server that takes writes."""
        try:
            tls = _tls(self._access)
        except ConfigError as error:
            # They were good at the start; whoever exchanges them may be about to put the rest in place.
            raise asyncpg.InterfaceError(str(error)) from None
        if len(self._places) == 1:
            return await asyncpg.connect(**{**options, "ssl": tls})
        first = self._places.index(self._place)
        failed: Exception | None = None
        for host, port in (*self._places[first:], *self._places[:first]):
            try:
                connection = await asyncpg.connect(
                    **{**options, "host": host, "port": port, "ssl": tls},
                    target_session_attrs="primary",
                )
            except _ERRORS as error:
                failed = failed or error
            else:
                self._place = host, port
                return connection
        raise failed or asyncpg.InterfaceError("no server is named")

    async def _note(self, connection: Any) -> None:
        jitter = self._clock.uniform(0, self._access.max_connection_lifetime_jitter)
        connection.live_until(self._clock.monotonic() + self._access.max_connection_lifetime + jitter)
        self.made += 1
        connection.add_termination_listener(self._note_end)

    def _note_end(self, _: Any) -> None:
        self.ended += 1

    def _options(self) -> dict[str, Any]:
        access = self._access
        host, port = self._place
        return {
            "host": host,
            "port": port,
            "user": access.user,
            "password": access.password,
            "database": access.db_name,
            "ssl": _tls(access),
            # So that one server that hangs leaves time for the others.
            "timeout": access.connection_timeout / len(self._places),
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


def _places(hosts: str, port: int) -> Sequence[tuple[str, int]]:
    """The servers that a setting names, each with its port."""
    named = [host.strip() for host in hosts.split(",") if host.strip()] or [hosts]
    split = [host.partition(":") if host.count(":") == 1 else (host, "", "") for host in named]
    try:
        return [(host, int(own) if own else port) for host, _, own in split]
    except ValueError:
        raise ConfigError(f"store.postgres.host: {hosts!r} contains something that is no port") from None


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
