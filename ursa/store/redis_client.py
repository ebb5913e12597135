"""Connections to Redis, errors in our words, and an honest look at how much it would lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from ursa.errors import Unavailable
from ursa.runtime.config.store import StoreRedis
from ursa.store.contract import Full

T = TypeVar("T")

Client = Any
"""A `redis.asyncio.Redis`; its own types allow for texts, which it never gives us."""


def connect(access: StoreRedis) -> Client:
    """A client that connects when it is used.

    It is given no time limit of its own, because it would keep that with `asyncio.wait_for`, which in Python 3.11 may
    swallow the cancellation of its caller; `within` limits calls instead.
    """
    client = Redis(
        host=access.host,
        port=access.port,
        db=access.database,
        username=access.user or None,
        password=access.password or None,
        socket_connect_timeout=access.request_timeout,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
        ssl=access.tls.enabled,
        ssl_ca_certs=access.tls.ca_path or None,
        ssl_certfile=access.tls.cert_path or None,
        ssl_keyfile=access.tls.key_path or None,
    )
    if access.tls.enabled:
        client.connection_pool.connection_class = _FreshTls
    return client


class _FreshTls(SSLConnection):
    """Reads its certificates whenever it connects; as it comes, it keeps those of the first time for ever."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        self.ssl_context.context = None
        arguments: Mapping[str, Any] = super()._connection_arguments()
        return arguments


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Limits calls in time, and says what the client says in our words."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unavailable(f"Redis: no answer within {seconds:g}s") from None
    except OutOfMemoryError as error:
        raise Full(f"Redis: {error}; make room, or raise maxmemory") from error
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error or type(error).__name__}") from error


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question, which is asked once more if its connection was dead.

    Connections of the pool die unnoticed while nobody uses them, as when the server was restarted. A read can be
    repeated; of a write nobody would know whether it had been carried out.
    """
    try:
        return await ask()
    except RedisConnectionError:
        return await ask()


Script = Callable[[Sequence[bytes], Sequence[object]], Awaitable[Any]]
"""A script with keys and arguments."""


def script(client: Client, text: str) -> Script:
    """A script that Redis is told once."""
    registered = client.register_script(text)

    async def run(keys: Sequence[bytes], arguments: Sequence[object]) -> Any:
        return await registered(list(keys), list(arguments))

    return run


async def weaknesses(client: Client) -> Sequence[str]:
    """How this server could lose acknowledged writes, in words."""
    try:
        found = await client.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
    except ResponseError:
        # Hosted servers keep their configuration to themselves.
        persistence = await client.info("persistence")
        found = {"appendonly": "yes" if persistence.get("aof_enabled") else "no"}
    return list(_weaknesses({str(key): str(value) for key, value in found.items()}))


def _weaknesses(settings: Mapping[str, str]) -> Iterator[str]:
    if settings.get("appendonly") != "yes":
        yield "appendonly is off: a crash loses everything since the last snapshot"
    elif settings.get("appendfsync") != "always":
        yield "appendfsync is not 'always': a crash loses about a second of acknowledged writes"
    if settings.get("maxmemory", "0") != "0" and settings.get("maxmemory-policy") != "noeviction":
        yield "maxmemory-policy is not 'noeviction': resources vanish when memory is short"
