"""From settings to a store: the one list of engines."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from ursa.errors import ConfigError
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings, work_dir
from ursa.runtime.config.store import Store
from ursa.runtime.tasks import Backoff
from ursa.store import contract
from ursa.store.checked import CheckedStore, Objection
from ursa.store.guard import PROBES, GuardedStore
from ursa.store.memory import MemoryStore
from ursa.store.metered import MeteredStore
from ursa.store.sealed import SealedStore
from ursa.store.sealing import Sealer, read_keys
from ursa.store.sqlite import SqliteStore
from ursa.store.tuning import tuning_of

SQLITE_FILE = "ursa.db"
"""Name of the database file in the working directory when `store.sqlite.path` is empty."""


def open_store(settings: Settings, clock: Clock, metrics: CollectorRegistry | None = None) -> SealedStore:
    """The store that the settings ask for, not yet opened; `metrics` takes what its engine counts of its own.

    It seals secrets if there is a key for that, and notices sealed ones if there is none.

    Raises:
        ConfigError: the engine is not part of this version, or the keys cannot be read.
    """
    return SealedStore(_engine(settings, clock, metrics), Sealer(read_keys(settings.store.encryption.key_file)))


def _engine(settings: Settings, clock: Clock, metrics: CollectorRegistry | None) -> contract.Store:
    """The engine.

    Raises:
        ConfigError: the engine is not part of this version.
    """
    match settings.store.type:
        case "memory":
            return MemoryStore(clock)
        case "sqlite":
            return SqliteStore(_sqlite_file(settings), clock, tuning_of(settings.store))
        case "etcd":
            return _etcd(settings.store, clock)
        case "postgres":
            return _postgres(settings.store, clock, metrics)
        case "redis":
            return _redis(settings.store, clock)
        case other:
            raise ConfigError(f"store.type: {other!r} is not available in this version")


def open_guarded_store(
    settings: Settings, clock: Clock, metrics: CollectorRegistry, *, objection: Objection
) -> GuardedStore:
    """The same for a process that goes on without its store; what reaches the engine is counted.

    `objection` says what is wrong with the shape of a stored resource: nobody then gets to see it.
    """
    engine = MeteredStore(CheckedStore(open_store(settings, clock, metrics), objection), metrics, clock)
    intervals = settings.store.probes
    return GuardedStore(
        engine,
        clock,
        local=not settings.store.shared,
        place=place_of(settings),
        max_waiting=settings.store.max_waiting_calls,
        probes=Backoff(intervals.min_interval, intervals.max_interval, PROBES.jitter),
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
        case "sqlite":
            where = _sqlite_file(settings)
        case other:
            return other
    return f"{store.type} at {where}"


def _sqlite_file(settings: Settings) -> str:
    return settings.store.sqlite.path or str(work_dir(settings) / SQLITE_FILE)


def _etcd(settings: Store, clock: Clock) -> contract.Store:
    from ursa.store.etcd import EtcdStore

    return EtcdStore(settings.etcd, clock, tuning_of(settings))


def _postgres(settings: Store, clock: Clock, metrics: CollectorRegistry | None) -> contract.Store:
    try:
        from ursa.store.postgres import PostgresStore
    except ImportError:
        raise ConfigError("store.type: postgres needs asyncpg: pip install 'ursa-mesh[postgres]'") from None
    return PostgresStore(settings.postgres, clock, tuning_of(settings), metrics=metrics)


def _redis(settings: Store, clock: Clock) -> contract.Store:
    try:
        from ursa.store.redis import RedisStore
    except ImportError:
        raise ConfigError("store.type: redis needs redis-py: pip install 'ursa-mesh[redis]'") from None
    return RedisStore(settings.redis, clock, tuning_of(settings))
