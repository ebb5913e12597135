"""Where resources are kept.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from typing import Literal

from ursa.runtime.config.setting import Duration, Group, Secret, StrList, group, setting

VIEWED = "reads are answered from a view that follows the store, so nothing of it expires"


class StorePostgresTls(Group):
    """Settings below `store.postgres.tls`."""

    mode: Literal["disable", "verifyNone", "verifyCa", "verifyFull"] = setting(
        "disable", env="STORE_POSTGRES_TLS_MODE", doc="disable, verifyNone, verifyCa, verifyFull"
    )
    cert_path: str = setting("", env="STORE_POSTGRES_TLS_CERT_PATH", doc="client certificate")
    key_path: str = setting("", env="STORE_POSTGRES_TLS_KEY_PATH", doc="client key")
    ca_path: str = setting(
        "", env="STORE_POSTGRES_TLS_CA_PATH", doc="root CA", also="STORE_POSTGRES_TLS_ROOT_CERT_PATH"
    )
    disable_sslsni: bool = setting(
        False, env="STORE_POSTGRES_TLS_DISABLE_SSLSNI", doc="do not send SNI", key="disableSSLSNI"
    )


class StorePostgresReadReplica(Group):
    """Settings below `store.postgres.readReplica`."""

    host: str = setting("", env="STORE_POSTGRES_READ_REPLICA_HOST", doc="empty = no replica")
    port: int = setting(5432, env="STORE_POSTGRES_READ_REPLICA_PORT")
    ratio: int = setting(
        100,
        env="STORE_POSTGRES_READ_REPLICA_RATIO",
        doc="0–100, share of listings sent to the replica; what writes and views are made of comes from the primary",
    )


class StorePostgres(Group):
    """Settings below `store.postgres`."""

    host: str = setting(
        "127.0.0.1",
        env="STORE_POSTGRES_HOST",
        doc="several, comma-separated, each with a port of its own if need be: whichever is the primary is used",
    )
    port: int = setting(15432, env="STORE_POSTGRES_PORT")
    user: str = setting("kuma", env="STORE_POSTGRES_USER")
    password: Secret = setting("kuma", env="STORE_POSTGRES_PASSWORD", doc="shown as ***** by /config")
    db_name: str = setting("kuma", env="STORE_POSTGRES_DB_NAME")
    driver_name: str = setting(
        "pgx",
        env="STORE_POSTGRES_DRIVER_NAME",
        inert="there is one driver here, asyncpg, and all settings of either driver of Kuma's apply to it",
    )
    connection_timeout: int = setting(5, env="STORE_POSTGRES_CONNECTION_TIMEOUT", doc="seconds (plain integer)")
    max_connection_idle_time: Duration = setting(
        1800.0, env="STORE_POSTGRES_MAX_CONNECTION_IDLE_TIME", doc="after which an unused connection is closed"
    )
    max_connection_lifetime: Duration = setting(
        3600.0, env="STORE_POSTGRES_MAX_CONNECTION_LIFETIME", doc="after which a connection is closed once it is unused"
    )
    max_connection_lifetime_jitter: Duration = setting(
        60.0, env="STORE_POSTGRES_MAX_CONNECTION_LIFETIME_JITTER", doc="at most this much is added, at random"
    )
    health_check_interval: Duration = setting(
        30.0,
        env="STORE_POSTGRES_HEALTH_CHECK_INTERVAL",
        doc="between looks whether the connection that listens for changes is alive",
    )
    min_open_connections: int = setting(
        0, env="STORE_POSTGRES_MIN_OPEN_CONNECTIONS", doc="connections made at the start"
    )
    max_open_connections: int = setting(50, env="STORE_POSTGRES_MAX_OPEN_CONNECTIONS", doc="0 = no limit")
    max_idle_connections: int = setting(
        50, env="STORE_POSTGRES_MAX_IDLE_CONNECTIONS", doc="kept when they are unused; negative = none, 0 = 2"
    )
    notification_timeout: Duration = setting(
        3.0,
        env="STORE_POSTGRES_NOTIFICATION_TIMEOUT",
        doc="ours; within which a notification to ourselves must arrive, else the change table is read regularly",
    )
    poll_interval: Duration = setting(
        1.0, env="STORE_POSTGRES_POLL_INTERVAL", doc="ours; between looks at the change table where that is so"
    )
    tls: StorePostgresTls = group(StorePostgresTls)
    max_list_query_elements: int = setting(
        0,
        env="STORE_POSTGRES_MAX_LIST_QUERY_ELEMENTS",
        inert="what changed is read from the change table, in portions, however much it is",
    )
    read_replica: StorePostgresReadReplica = group(StorePostgresReadReplica)


class StoreKubernetes(Group):
    """Settings below `store.kubernetes`."""

    system_namespace: str = setting(
        "kuma-system", env="STORE_KUBERNETES_SYSTEM_NAMESPACE", doc="also used for ?format=k8s on Universal"
    )


class StoreCache(Group):
    """Settings below `store.cache`."""

    enabled: bool = setting(True, env="STORE_CACHE_ENABLED", inert=VIEWED)
    expiration_time: Duration = setting(1.0, env="STORE_CACHE_EXPIRATION_TIME", inert=VIEWED)


class StoreUpsert(Group):
    """Settings below `store.upsert`."""

    conflict_retry_base_backoff: Duration = setting(
        0.2, env="STORE_UPSERT_CONFLICT_RETRY_BASE_BACKOFF", doc="exponential back-off of get-and-update"
    )
    conflict_retry_max_times: int = setting(10, env="STORE_UPSERT_CONFLICT_RETRY_MAX_TIMES")
    conflict_retry_jitter_percent: int = setting(30, env="STORE_UPSERT_CONFLICT_RETRY_JITTER_PERCENT")


class StoreWrites(Group):
    """Settings below `store.writes`; all are ours."""

    group: int = setting(
        1000, env="STORE_WRITES_GROUP", doc="ours; writes committed together when they wait; etcd takes 96 at most"
    )


class StoreProbes(Group):
    """Settings below `store.probes`; all are ours."""

    min_interval: Duration = setting(
        0.25, env="STORE_PROBES_MIN_INTERVAL", doc="ours; first pause between looks whether a lost store is back"
    )
    max_interval: Duration = setting(5.0, env="STORE_PROBES_MAX_INTERVAL", doc="ours; the longest such pause")


class StoreSqlite(Group):
    """Settings below `store.sqlite`."""

    path: str = setting("", env="STORE_SQLITE_PATH", doc="database file; empty = ursa.db in the work directory")


class StoreEtcdTls(Group):
    """Settings below `store.etcd.tls`."""

    enabled: bool = setting(False, env="STORE_ETCD_TLS_ENABLED", doc="ours; speak TLS, and verify the server")
    ca_path: str = setting("", env="STORE_ETCD_TLS_CA_PATH", doc="ours; authorities to trust; empty = the system's")
    cert_path: str = setting("", env="STORE_ETCD_TLS_CERT_PATH", doc="ours; client certificate; empty = none")
    key_path: str = setting("", env="STORE_ETCD_TLS_KEY_PATH", doc="ours; key of the client certificate")


class StoreEtcd(Group):
    """Settings below `store.etcd`; all are ours."""

    endpoints: StrList = setting(
        ("127.0.0.1:2379",), env="STORE_ETCD_ENDPOINTS", doc="ours; host:port of each member, comma-separated"
    )
    prefix: str = setting("/ursa", env="STORE_ETCD_PREFIX", doc="ours; what all keys begin with")
    user: str = setting("", env="STORE_ETCD_USER", doc="ours; empty = no authentication")
    password: Secret = setting("", env="STORE_ETCD_PASSWORD", doc="ours")
    request_timeout: Duration = setting(
        5.0, env="STORE_ETCD_REQUEST_TIMEOUT", doc="ours; all members tried within this time"
    )
    connect_timeout: Duration = setting(
        1.0,
        env="STORE_ETCD_CONNECT_TIMEOUT",
        doc="ours; for so long members are tried that cannot be connected to; less than the time for a request",
    )
    silence_timeout: Duration = setting(
        0.5,
        env="STORE_ETCD_SILENCE_TIMEOUT",
        doc="ours; a member that does not answer is asked something small after this, and left if it does not answer "
        "that either within the same time",
    )
    keep_alive_interval: Duration = setting(
        10.0, env="STORE_ETCD_KEEP_ALIVE_INTERVAL", doc="ours; silence after which a connection is tried"
    )
    keep_alive_timeout: Duration = setting(
        5.0, env="STORE_ETCD_KEEP_ALIVE_TIMEOUT", doc="ours; for an answer to that, else the connection is given up"
    )
    compaction: bool = setting(
        True, env="STORE_ETCD_COMPACTION", doc="ours; drop old history after many writes; off = somebody else does"
    )
    tls: StoreEtcdTls = group(StoreEtcdTls)


class StoreRedisTls(Group):
    """Settings below `store.redis.tls`."""

    enabled: bool = setting(False, env="STORE_REDIS_TLS_ENABLED", doc="ours; speak TLS, and verify the server")
    ca_path: str = setting("", env="STORE_REDIS_TLS_CA_PATH", doc="ours; authorities to trust; empty = the system's")
    cert_path: str = setting("", env="STORE_REDIS_TLS_CERT_PATH", doc="ours; client certificate; empty = none")
    key_path: str = setting("", env="STORE_REDIS_TLS_KEY_PATH", doc="ours; key of the client certificate")


class StoreRedis(Group):
    """Settings below `store.redis`; all are ours."""

    host: str = setting("127.0.0.1", env="STORE_REDIS_HOST", doc="ours")
    port: int = setting(6379, env="STORE_REDIS_PORT", doc="ours")
    user: str = setting("", env="STORE_REDIS_USER", doc="ours; empty = the default user")
    password: Secret = setting("", env="STORE_REDIS_PASSWORD", doc="ours")
    database: int = setting(0, env="STORE_REDIS_DATABASE", doc="ours; number of the database")
    prefix: str = setting("ursa", env="STORE_REDIS_PREFIX", doc="ours; hash tag that all keys begin with")
    request_timeout: Duration = setting(5.0, env="STORE_REDIS_REQUEST_TIMEOUT", doc="ours")
    watch_timeout: Duration = setting(
        10.0,
        env="STORE_REDIS_WATCH_TIMEOUT",
        doc="ours; a wait for changes begins anew after this, to notice a dead server",
    )
    tls: StoreRedisTls = group(StoreRedisTls)


class StoreEncryption(Group):
    """Settings below `store.encryption`; all are ours."""

    key_file: str = setting(
        "",
        env="STORE_ENCRYPTION_KEY_FILE",
        doc="ours; secrets are encrypted at rest with the first of its keys; lines of name: base64 of 32 bytes",
    )


class Store(Group):
    """Settings below `store`."""

    postgres: StorePostgres = group(StorePostgres)
    kubernetes: StoreKubernetes = group(StoreKubernetes)
    cache: StoreCache = group(StoreCache)
    upsert: StoreUpsert = group(StoreUpsert)
    unsafe_delete: bool = setting(
        False,
        env="STORE_UNSAFE_DELETE",
        doc="skip the checks on deleting Mesh with data planes, online Zone, Secret in use",
    )
    type: Literal["memory", "sqlite", "etcd", "postgres", "redis", "kubernetes"] = setting(
        "sqlite", env="STORE_TYPE", doc="engine: memory, sqlite, etcd, postgres, redis or kubernetes"
    )
    max_waiting_calls: int = setting(
        4096,
        env="STORE_MAX_WAITING_CALLS",
        doc="ours: calls that may wait for a slow store at the same time; what comes then is refused",
    )
    kept_changes: int = setting(
        20_000,
        env="STORE_KEPT_CHANGES",
        doc="ours; changes kept for readers that were away, who otherwise read everything; in Redis they need memory",
    )
    writes: StoreWrites = group(StoreWrites)
    probes: StoreProbes = group(StoreProbes)
    sqlite: StoreSqlite = group(StoreSqlite)
    encryption: StoreEncryption = group(StoreEncryption)
    etcd: StoreEtcd = group(StoreEtcd)
    redis: StoreRedis = group(StoreRedis)

    @property
    def shared(self) -> bool:
        """Whether several processes can have the store; else it lives in this process, or in a file locked by it."""
        return self.type not in ("memory", "sqlite")
