"""Zones, their global, and replicas of one control plane.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from ursa.runtime.config.setting import FOLLOWED, Duration, Group, Secret, StrList, group, setting


class MultizoneGlobalKdsZoneHealthCheck(Group):
    """Settings below `multizone.global.kds.zoneHealthCheck`."""

    poll_interval: Duration = setting(
        0.0,
        env="MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_POLL_INTERVAL",
        doc="both set or both unset; on a global CP 0s means off",
    )
    timeout: Duration = setting(0.0, env="MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_TIMEOUT")
    close_stale_conn: bool = setting(
        False,
        env="MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_CLOSE_STALE_CONN",
        inert="a zone that connects anew always replaces its older connection",
    )


class MultizoneGlobalKdsTracing(Group):
    """Settings below `multizone.global.kds.tracing`."""

    enabled: bool = setting(
        True, env="MULTIZONE_GLOBAL_KDS_TRACING_ENABLED", inert="control planes send no traces of themselves yet"
    )


class MultizoneGlobalKdsLabels(Group):
    """Settings below `multizone.global.kds.labels`."""

    skip_prefixes: StrList = setting(
        (), env="MULTIZONE_GLOBAL_KDS_LABELS_SKIP_PREFIXES", doc="label prefixes not synced down"
    )


class MultizoneGlobalKds(Group):
    """Settings below `multizone.global.kds`."""

    grpc_port: int = setting(5685, env="MULTIZONE_GLOBAL_KDS_GRPC_PORT")
    refresh_interval: Duration = setting(1.0, env="MULTIZONE_GLOBAL_KDS_REFRESH_INTERVAL", inert=FOLLOWED)
    zone_insight_flush_interval: Duration = setting(10.0, env="MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL")
    tls_enabled: bool = setting(True, env="MULTIZONE_GLOBAL_KDS_TLS_ENABLED")
    tls_cert_file: str = setting("", env="MULTIZONE_GLOBAL_KDS_TLS_CERT_FILE", doc="empty = general.tlsCertFile")
    tls_key_file: str = setting("", env="MULTIZONE_GLOBAL_KDS_TLS_KEY_FILE", doc="empty = general.tlsKeyFile")
    tls_min_version: str = setting("TLSv1_2", env="MULTIZONE_GLOBAL_KDS_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="MULTIZONE_GLOBAL_KDS_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="MULTIZONE_GLOBAL_KDS_TLS_CIPHER_SUITES")
    max_msg_size: int = setting(10485760, env="MULTIZONE_GLOBAL_KDS_MAX_MSG_SIZE", doc="bytes")
    msg_send_timeout: Duration = setting(
        60.0, env="MULTIZONE_GLOBAL_KDS_MSG_SEND_TIMEOUT", doc="stream is ended when one send takes longer"
    )
    nack_backoff: Duration = setting(
        5.0, env="MULTIZONE_GLOBAL_KDS_NACK_BACKOFF", doc="wait before a refused resource is tried again alone"
    )
    nack_max_backoff: Duration = setting(
        300.0, env="MULTIZONE_GLOBAL_KDS_NACK_MAX_BACKOFF", doc="ours: longest such wait; it doubles each time"
    )
    heartbeat_interval: Duration = setting(
        2.0, env="MULTIZONE_GLOBAL_KDS_HEARTBEAT_INTERVAL", doc="ours: between proofs of life on each sync stream"
    )
    silence_timeout: Duration = setting(
        5.0, env="MULTIZONE_GLOBAL_KDS_SILENCE_TIMEOUT", doc="ours: a stream without any message for so long is dead"
    )
    keepalive_interval: Duration = setting(
        3.0,
        env="MULTIZONE_GLOBAL_KDS_KEEPALIVE_INTERVAL",
        doc="ours: a connection silent for so long is probed; only that tells that a zone of Kuma is gone",
    )
    keepalive_timeout: Duration = setting(
        5.0,
        env="MULTIZONE_GLOBAL_KDS_KEEPALIVE_TIMEOUT",
        doc="ours: a connection that does not answer for so long is dead",
    )
    response_backoff: Duration = setting(0.0, env="MULTIZONE_GLOBAL_KDS_RESPONSE_BACKOFF", doc="wait before ACK/NACK")
    chunk_size: int = setting(
        1048576,
        env="MULTIZONE_GLOBAL_KDS_CHUNK_SIZE",
        doc="ours: bytes at which a change is split, lest it hold up other types",
    )
    send_interval: Duration = setting(
        0.0,
        env="MULTIZONE_GLOBAL_KDS_SEND_INTERVAL",
        doc="ours: between two responses of a type to a zone, at least; what changes meanwhile goes in one",
    )
    admin_timeout: Duration = setting(
        10.0, env="MULTIZONE_GLOBAL_KDS_ADMIN_TIMEOUT", doc="ours: for a zone to answer about a proxy, part by part"
    )
    registration_timeout: Duration = setting(
        10.0,
        env="MULTIZONE_GLOBAL_KDS_REGISTRATION_TIMEOUT",
        doc="ours: for so long a stream waits for the stream that registers its zone",
    )
    split_registration_timeout: Duration = setting(
        3.0,
        env="MULTIZONE_GLOBAL_KDS_SPLIT_REGISTRATION_TIMEOUT",
        doc="ours: the same for a zone that has registered through another connection",
    )
    zone_token_required: bool = setting(
        False,
        env="MULTIZONE_GLOBAL_KDS_ZONE_TOKEN_REQUIRED",
        doc="ours: zones must show a zone token with scope cp; Kuma's zones cannot",
    )
    zone_health_check: MultizoneGlobalKdsZoneHealthCheck = group(MultizoneGlobalKdsZoneHealthCheck)
    tracing: MultizoneGlobalKdsTracing = group(MultizoneGlobalKdsTracing)
    labels: MultizoneGlobalKdsLabels = group(MultizoneGlobalKdsLabels)


class MultizoneGlobalAbsence(Group):
    """Settings below `multizone.global.absence`: what other zones are told of one that is not there. All ours."""

    enabled: bool = setting(True, env="MULTIZONE_GLOBAL_ABSENCE_ENABLED", doc="ours: withdraw ingresses of dead zones")
    lease: Duration = setting(
        10.0, env="MULTIZONE_GLOBAL_ABSENCE_LEASE", doc="ours: a zone not seen for so long comes last"
    )
    hold: Duration = setting(
        30.0, env="MULTIZONE_GLOBAL_ABSENCE_HOLD", doc="ours: after so long as the last one it is withdrawn"
    )
    witnesses: int = setting(
        5, env="MULTIZONE_GLOBAL_ABSENCE_WITNESSES", doc="ours: other zones asked at a time whether they reach it"
    )


class MultizoneGlobalDrain(Group):
    """Settings below `multizone.global.drain`: how zones are emptied. All ours."""

    over: Duration = setting(600.0, env="MULTIZONE_GLOBAL_DRAIN_OVER", doc="ours: how long it takes unless told")
    steps: int = setting(20, env="MULTIZONE_GLOBAL_DRAIN_STEPS", doc="ours: most steps in which weights change")
    shortest_step: Duration = setting(
        1.0, env="MULTIZONE_GLOBAL_DRAIN_SHORTEST_STEP", doc="ours: least time between two steps"
    )


class MultizoneGlobalRollouts(Group):
    """Settings below `multizone.global.rollouts`. All ours."""

    stuck_after: Duration = setting(
        30.0,
        env="MULTIZONE_GLOBAL_ROLLOUTS_STUCK_AFTER",
        doc="ours: a rollout that has not arrived for so long is stuck",
    )
    max_wait: Duration = setting(
        300.0, env="MULTIZONE_GLOBAL_ROLLOUTS_MAX_WAIT", doc="ours: longest time for which one call may wait"
    )
    kept: int = setting(200, env="MULTIZONE_GLOBAL_ROLLOUTS_KEPT", doc="ours: revisions that can be looked at")
    ask_interval: Duration = setting(
        0.25,
        env="MULTIZONE_GLOBAL_ROLLOUTS_ASK_INTERVAL",
        doc="ours: while somebody waits, between two questions to replicas that hold other zones",
    )


class MultizoneGlobal(Group):
    """Settings below `multizone.global`."""

    kds: MultizoneGlobalKds = group(MultizoneGlobalKds)
    absence: MultizoneGlobalAbsence = group(MultizoneGlobalAbsence)
    drain: MultizoneGlobalDrain = group(MultizoneGlobalDrain)
    rollouts: MultizoneGlobalRollouts = group(MultizoneGlobalRollouts)
    zone_stalled_after: Duration = setting(
        10.0,
        env="MULTIZONE_GLOBAL_ZONE_STALLED_AFTER",
        doc="ours: a zone in which something stands still for so long is degraded",
    )


class MultizoneZoneKdsLabels(Group):
    """Settings below `multizone.zone.kds.labels`."""

    skip_prefixes: StrList = setting((), env="MULTIZONE_ZONE_KDS_LABELS_SKIP_PREFIXES")


class MultizoneZoneKds(Group):
    """Settings below `multizone.zone.kds`."""

    refresh_interval: Duration = setting(1.0, env="MULTIZONE_ZONE_KDS_REFRESH_INTERVAL", inert=FOLLOWED)
    tls_skip_verify: bool = setting(False, env="MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY")
    root_ca_file: str = setting("", env="MULTIZONE_ZONE_KDS_ROOT_CA_FILE", doc="CA of the global")
    max_msg_size: int = setting(10485760, env="MULTIZONE_ZONE_KDS_MAX_MSG_SIZE")
    msg_send_timeout: Duration = setting(60.0, env="MULTIZONE_ZONE_KDS_MSG_SEND_TIMEOUT")
    nack_backoff: Duration = setting(
        5.0, env="MULTIZONE_ZONE_KDS_NACK_BACKOFF", doc="wait before a refused resource is tried again alone"
    )
    nack_max_backoff: Duration = setting(
        300.0, env="MULTIZONE_ZONE_KDS_NACK_MAX_BACKOFF", doc="ours: longest such wait; it doubles each time"
    )
    heartbeat_interval: Duration = setting(
        2.0, env="MULTIZONE_ZONE_KDS_HEARTBEAT_INTERVAL", doc="ours: between proofs of life on each sync stream"
    )
    silence_timeout: Duration = setting(
        5.0, env="MULTIZONE_ZONE_KDS_SILENCE_TIMEOUT", doc="ours: a stream without any message for so long is dead"
    )
    keepalive_interval: Duration = setting(
        15.0,
        env="MULTIZONE_ZONE_KDS_KEEPALIVE_INTERVAL",
        doc="ours: a connection silent for so long is probed; Kuma's globals end one that is probed more often",
    )
    keepalive_timeout: Duration = setting(
        5.0,
        env="MULTIZONE_ZONE_KDS_KEEPALIVE_TIMEOUT",
        doc="ours: a connection that does not answer for so long is dead",
    )
    response_backoff: Duration = setting(0.0, env="MULTIZONE_ZONE_KDS_RESPONSE_BACKOFF", doc="wait before ACK/NACK")
    chunk_size: int = setting(
        1048576,
        env="MULTIZONE_ZONE_KDS_CHUNK_SIZE",
        doc="ours: bytes at which a change is split, lest it hold up other types",
    )
    admin_timeout: Duration = setting(
        10.0,
        env="MULTIZONE_ZONE_KDS_ADMIN_TIMEOUT",
        doc="ours: for a proxy of the zone to answer at its admin interface",
    )
    admin_concurrency: int = setting(
        8, env="MULTIZONE_ZONE_KDS_ADMIN_CONCURRENCY", doc="ours: questions of one sort answered at the same time"
    )
    admin_part_size: int = setting(
        262144,
        env="MULTIZONE_ZONE_KDS_ADMIN_PART_SIZE",
        doc="ours: bytes of one part of an answer; nothing else waits for more than that",
    )
    connect_timeout: Duration = setting(
        10.0, env="MULTIZONE_ZONE_KDS_CONNECT_TIMEOUT", doc="ours: for the global to show its certificate"
    )
    probe_timeout: Duration = setting(
        1.0,
        env="MULTIZONE_ZONE_KDS_PROBE_TIMEOUT",
        doc="ours: for the global to answer before a stream that ended is taken for the end of the connection",
    )
    reconnect_max_wait: Duration = setting(
        10.0,
        env="MULTIZONE_ZONE_KDS_RECONNECT_MAX_WAIT",
        doc="ours: longest wait before the next attempt to connect, if resilientComponentMaxBackoff allows for more",
    )
    witness_timeout: Duration = setting(
        2.0,
        env="MULTIZONE_ZONE_KDS_WITNESS_TIMEOUT",
        doc="ours: for an ingress to take a connection when the global asks whether it can be reached from here",
    )
    report_interval: Duration = setting(
        0.2, env="MULTIZONE_ZONE_KDS_REPORT_INTERVAL", doc="ours: between two reports of how far rollouts are, at least"
    )
    reports_kept: int = setting(
        200, env="MULTIZONE_ZONE_KDS_REPORTS_KEPT", doc="ours: revisions about which the zone reports"
    )
    health_check_interval: Duration = setting(
        300.0, env="MULTIZONE_ZONE_KDS_HEALTH_CHECK_INTERVAL", doc="ours: until the global names another interval"
    )
    new_global_grace: Duration = setting(
        600.0,
        env="MULTIZONE_ZONE_KDS_NEW_GLOBAL_GRACE",
        doc="ours: for so long a global of another identity than before cannot delete what the zone has",
    )
    token: Secret = setting("", env="MULTIZONE_ZONE_KDS_TOKEN", doc="ours: zone token shown to the global")
    token_file: str = setting("", env="MULTIZONE_ZONE_KDS_TOKEN_FILE", doc="ours: file with that token, read anew")
    labels: MultizoneZoneKdsLabels = group(MultizoneZoneKdsLabels)


class MultizoneZone(Group):
    """Settings below `multizone.zone`."""

    name: str = setting("default", env="MULTIZONE_ZONE_NAME", doc="1–63 characters")
    global_address: str = setting("", env="MULTIZONE_ZONE_GLOBAL_ADDRESS", doc="grpc:// or grpcs://; set = federated")
    kds: MultizoneZoneKds = group(MultizoneZoneKds)
    disable_origin_label_validation: bool = setting(
        False, env="MULTIZONE_ZONE_DISABLE_ORIGIN_LABEL_VALIDATION", doc="applies on zone and on global"
    )
    ingress_update_interval: Duration = setting(1.0, env="MULTIZONE_ZONE_INGRESS_UPDATE_INTERVAL", inert=FOLLOWED)


class Multizone(Group):
    """Settings below `multizone`."""

    global_: MultizoneGlobal = group(MultizoneGlobal, key="global")
    zone: MultizoneZone = group(MultizoneZone)


class InterCpCatalog(Group):
    """Settings below `interCp.catalog`."""

    instance_address: str = setting(
        "", env="INTER_CP_CATALOG_INSTANCE_ADDRESS", doc="empty = first non-loopback IP; start fails when there is none"
    )
    heartbeat_interval: Duration = setting(5.0, env="INTER_CP_CATALOG_HEARTBEAT_INTERVAL")
    writer_interval: Duration = setting(15.0, env="INTER_CP_CATALOG_WRITER_INTERVAL")


class InterCpServer(Group):
    """Settings below `interCp.server`."""

    port: int = setting(5683, env="INTER_CP_SERVER_PORT")
    tls_min_version: str = setting("TLSv1_2", env="INTER_CP_SERVER_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="INTER_CP_SERVER_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="INTER_CP_SERVER_TLS_CIPHER_SUITES")


class InterCpLease(Group):
    """Settings below `interCp.lease`. All ours."""

    leader: Duration = setting(
        15.0, env="INTER_CP_LEASE_LEADER", doc="ours: after so long another replica takes over from a dead leader"
    )
    presence: Duration = setting(
        15.0, env="INTER_CP_LEASE_PRESENCE", doc="ours: after so long zones of a dead replica count as disconnected"
    )


class InterCpClient(Group):
    """Settings below `interCp.client`. All ours."""

    connect_timeout: Duration = setting(
        5.0, env="INTER_CP_CLIENT_CONNECT_TIMEOUT", doc="ours: for another replica to take a connection"
    )
    answer_timeout: Duration = setting(
        60.0,
        env="INTER_CP_CLIENT_ANSWER_TIMEOUT",
        doc="ours: for another replica to answer about a proxy",
    )
    ping_timeout: Duration = setting(
        5.0, env="INTER_CP_CLIENT_PING_TIMEOUT", doc="ours: for the leader to answer a heartbeat"
    )
    ping_max_backoff: Duration = setting(
        60.0,
        env="INTER_CP_CLIENT_PING_MAX_BACKOFF",
        doc="ours: longest time between heartbeats to a leader that does not answer",
    )
    idle_timeout: Duration = setting(
        300.0, env="INTER_CP_CLIENT_IDLE_TIMEOUT", doc="ours: an unused connection is closed after so long"
    )


class InterCpBalance(Group):
    """Settings below `interCp.balance`: how streams spread again after instances came or went. All ours."""

    enabled: bool = setting(
        True, env="INTER_CP_BALANCE_ENABLED", doc="ours: an instance with too many streams lets some connect elsewhere"
    )
    margin_percent: int = setting(
        10, env="INTER_CP_BALANCE_MARGIN_PERCENT", doc="ours: too many is so much more than an equal share"
    )
    delay: Duration = setting(
        45.0,
        env="INTER_CP_BALANCE_DELAY",
        doc="ours: for so long an instance has too many before it begins; dead ones stay listed for up to two "
        "writerIntervals",
    )
    interval: Duration = setting(10.0, env="INTER_CP_BALANCE_INTERVAL", doc="ours: length of one round")
    step_percent: int = setting(
        10, env="INTER_CP_BALANCE_STEP_PERCENT", doc="ours: so much of its streams an instance lets go in one round"
    )
    rest: Duration = setting(
        600.0,
        env="INTER_CP_BALANCE_REST",
        doc="ours: for so long a peer that was let go twice is spared",
    )


class InterCp(Group):
    """Settings below `interCp`."""

    catalog: InterCpCatalog = group(InterCpCatalog)
    server: InterCpServer = group(InterCpServer)
    lease: InterCpLease = group(InterCpLease)
    client: InterCpClient = group(InterCpClient)
    balance: InterCpBalance = group(InterCpBalance)


class EventBus(Group):
    """Settings below `eventBus`."""

    buffer_size: int = setting(
        100, env="EVENT_BUS_BUFFER_SIZE", inert="a subscriber gets the newest state, however slow it is"
    )
