"""From settings to a store: the one list of engines."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from ursa.errors import ConfigError
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings, work_dir
from ursa.runtime.config.store import StoreEtcd, StorePostgres, StoreRedis
from ursa.store.checked import CheckedStore, Objection
from ursa.store.contract import Store
from ursa.store.guard import GuardedStore
from ursa.store.memory import MemoryStore
from ursa.store.metered import MeteredStore
from ursa.store.sealed import SealedStore
from ursa.store.sealing import Sealer, read_keys
from ursa.store.sqlite import SqliteStore

SQLITE_FILE = "ursa.db"
"""Name of the database file in the working directory when `store.sqlite.path` is empty."""


def open_store(settings: Settings, clock: Clock) -> SealedStore:
    """The store that the settings ask for, not yet opened.

    It seals secrets if there is a key for that, and notices sealed ones if there is none.

    Raises:
        ConfigError: the engine is not part of this version, or the keys cannot be read.
    """
    return SealedStore(_engine(settings, clock), Sealer(read_keys(settings.store.encryption.key_file)))


def _engine(settings: Settings, clock: Clock) -> Store:
    """The engine.

    Raises:
        ConfigError: the engine is not part of this version.
    """
    match settings.store.type:
        case "memory":
            return MemoryStore(clock)
        case "sqlite":
            path = settings.store.sqlite.path or str(work_dir(settings) / SQLITE_FILE)
            return SqliteStore(path, clock)
        case "etcd":
            return _etcd(settings.store.etcd, clock)
        case "postgres":
            return _postgres(settings.store.postgres, clock)
        case "redis":
            return _redis(settings.store.redis, clock)
        case other:
            raise ConfigError(f"store.type: {other!r} is not available in this version")


def open_guarded_store(
    settings: Settings, clock: Clock, metrics: CollectorRegistry, *, objection: Objection
) -> GuardedStore:
    """The same for a process that goes on without its store; what reaches the engine is counted.

    `objection` says what is wrong with the shape of a stored resource: nobody then gets to see it.
    """
    engine = MeteredStore(CheckedStore(open_store(settings, clock), objection), metrics, clock)
    return GuardedStore(
        engine,
        clock,
        local=not settings.store.shared,
        place=place_of(settings),
        max_waiting=settings.store.max_waiting_calls,
    )


def place_of(settings: Settings) -> str:
    """Where the store is, for people."""
    store = settings.store
    match store.type:
        case "etcd":
            where = ", ".join(store.etcd.endpoints)
        case "postgres":
            where = f"{store.postgres.host}:{store.postgres.port}"
        case "redis":
            where = f"{store.redis.host}:{store.redis.port}"
        case other:
            return other
    return f"{store.type} at {where}"


def _etcd(settings: StoreEtcd, clock: Clock) -> Store:
    from ursa.store.etcd import EtcdStore
    from ursa.store.etcd_client import EtcdAccess

    tls = settings.tls
    access = EtcdAccess(
        settings.endpoints,
        tls=tls.enabled,
        ca=tls.ca_path,
        cert=tls.cert_path,
        key=tls.key_path,
        user=settings.user,
        password=settings.password,
        timeout=settings.request_timeout,
        connect=settings.connect_timeout,
    )
    return EtcdStore(access, clock, prefix=settings.prefix, compact=settings.compaction)


def _postgres(settings: StorePostgres, clock: Clock) -> Store:
    try:
        from ursa.store.postgres import PostgresStore
        from ursa.store.postgres_pool import PostgresAccess
    except ImportError:
        raise ConfigError("store.type: postgres needs asyncpg: pip install 'ursa-mesh[postgres]'") from None

    tls, replica = settings.tls, settings.read_replica
    access = PostgresAccess(
        settings.host,
        settings.port,
        settings.user,
        settings.password,
        settings.db_name,
        tls=tls.mode,
        ca=tls.ca_path,
        cert=tls.cert_path,
        key=tls.key_path,
        sni=not tls.disable_sslsni,
        connection_timeout=settings.connection_timeout,
        min_connections=settings.min_open_connections,
        max_connections=settings.max_open_connections,
        max_idle=settings.max_idle_connections,
        idle=settings.max_connection_idle_time,
        lifetime=settings.max_connection_lifetime,
        lifetime_jitter=settings.max_connection_lifetime_jitter,
        health_check=settings.health_check_interval,
        replica_host=replica.host,
        replica_port=replica.port,
        replica_ratio=replica.ratio,
    )
    return PostgresStore(access, clock)


def _redis(settings: StoreRedis, clock: Clock) -> Store:
    try:
        from ursa.store.redis import RedisStore
        from ursa.store.redis_client import RedisAccess
    except ImportError:
        raise ConfigError("store.type: redis needs redis-py: pip install 'ursa-mesh[redis]'") from None

    tls = settings.tls
    access = RedisAccess(
        settings.host,
        settings.port,
        settings.user,
        settings.password,
        settings.database,
        tls=tls.enabled,
        ca=tls.ca_path,
        cert=tls.cert_path,
        key=tls.key_path,
        timeout=settings.request_timeout,
    )
    return RedisStore(access, clock, prefix=settings.prefix)
