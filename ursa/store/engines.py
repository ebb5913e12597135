"""From settings to a store: the one list of engines."""

from __future__ import annotations

from ursa.errors import ConfigError
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings, work_dir
from ursa.runtime.config.store import StoreEtcd
from ursa.store.contract import Store
from ursa.store.memory import MemoryStore
from ursa.store.sqlite import SqliteStore

SQLITE_FILE = "ursa.db"
"""Name of the database file in the working directory when `store.sqlite.path` is empty."""


def open_store(settings: Settings, clock: Clock) -> Store:
    """The store that the settings ask for, not yet opened.

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
        case other:
            raise ConfigError(f"store.type: {other!r} is not available in this version")


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
    )
    return EtcdStore(access, clock, prefix=settings.prefix, compact=settings.compaction)
