"""Insights, metrics, monitoring assignments, tracing.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from ursa.runtime.config.setting import Duration, Group, StrList, group, setting


class MonitoringAssignmentServer(Group):
    """Settings below `monitoringAssignmentServer`."""

    port: int = setting(5676, env="MONITORING_ASSIGNMENT_SERVER_PORT", doc="MADS (HTTP/gRPC)")
    default_fetch_timeout: Duration = setting(30.0, env="MONITORING_ASSIGNMENT_SERVER_DEFAULT_FETCH_TIMEOUT")
    api_versions: StrList = setting(("v1",), env="MONITORING_ASSIGNMENT_SERVER_API_VERSIONS")
    assignment_refresh_interval: Duration = setting(1.0, env="MONITORING_ASSIGNMENT_SERVER_ASSIGNMENT_REFRESH_INTERVAL")
    tls_enabled: bool = setting(False, env="MONITORING_ASSIGNMENT_SERVER_TLS_ENABLED")
    tls_cert_file: str = setting(
        "", env="MONITORING_ASSIGNMENT_SERVER_TLS_CERT_FILE", doc="empty = general.tlsCertFile"
    )
    tls_key_file: str = setting("", env="MONITORING_ASSIGNMENT_SERVER_TLS_KEY_FILE", doc="empty = general.tlsKeyFile")
    tls_min_version: str = setting("TLSv1_2", env="MONITORING_ASSIGNMENT_SERVER_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="MONITORING_ASSIGNMENT_SERVER_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="MONITORING_ASSIGNMENT_SERVER_TLS_CIPHER_SUITES")


class MetricsDataplane(Group):
    """Settings below `metrics.dataplane`."""

    subscription_limit: int = setting(
        2, env="METRICS_DATAPLANE_SUBSCRIPTION_LIMIT", doc="subscriptions kept in a DataplaneInsight; 0 keeps none"
    )
    idle_timeout: Duration = setting(
        300.0, env="METRICS_DATAPLANE_IDLE_TIMEOUT", doc="after this long without a stream the proxy counts as offline"
    )


class MetricsZone(Group):
    """Settings below `metrics.zone`."""

    subscription_limit: int = setting(10, env="METRICS_ZONE_SUBSCRIPTION_LIMIT", doc="same for ZoneInsight")
    idle_timeout: Duration = setting(
        300.0,
        env="METRICS_ZONE_IDLE_TIMEOUT",
        inert="that a zone or its replica of the global is gone is known by leases",
    )
    compact_finished_subscriptions: bool = setting(
        False, env="METRICS_ZONE_COMPACT_FINISHED_SUBSCRIPTIONS", doc="drop config and details of closed subscriptions"
    )


class MetricsMesh(Group):
    """Settings below `metrics.mesh`."""

    min_resync_timeout: Duration = setting(0.0, env="METRICS_MESH_MIN_RESYNC_TIMEOUT", doc="deprecated")
    max_resync_timeout: Duration = setting(0.0, env="METRICS_MESH_MAX_RESYNC_TIMEOUT", doc="deprecated")
    buffer_size: int = setting(1000, env="METRICS_MESH_BUFFER_SIZE")
    min_resync_interval: Duration = setting(
        1.0, env="METRICS_MESH_MIN_RESYNC_INTERVAL", doc="min time between two insight updates"
    )
    full_resync_interval: Duration = setting(
        20.0, env="METRICS_MESH_FULL_RESYNC_INTERVAL", doc="full recount of all insights"
    )
    event_processors: int = setting(1, env="METRICS_MESH_EVENT_PROCESSORS")


class MetricsControlPlane(Group):
    """Settings below `metrics.controlPlane`."""

    report_resources_count: bool = setting(
        True, env="METRICS_CONTROL_PLANE_REPORT_RESOURCES_COUNT", doc="metric resources_count"
    )


class Metrics(Group):
    """Settings below `metrics`."""

    dataplane: MetricsDataplane = group(MetricsDataplane)
    zone: MetricsZone = group(MetricsZone)
    mesh: MetricsMesh = group(MetricsMesh)
    control_plane: MetricsControlPlane = group(MetricsControlPlane)


class Reports(Group):
    """Settings below `reports`."""

    enabled: bool = setting(False, env="REPORTS_ENABLED", doc="usage reports to the vendor")


class TracingOpenTelemetry(Group):
    """Settings below `tracing.openTelemetry`."""

    enabled: bool = setting(False, env="TRACING_OPENTELEMETRY_ENABLED", doc="deprecated; endpoint decides")
    endpoint: str = setting("", env="TRACING_OPENTELEMETRY_ENDPOINT", doc="OTLP gRPC host:port; empty = off")


class Tracing(Group):
    """Settings below `tracing`."""

    open_telemetry: TracingOpenTelemetry = group(TracingOpenTelemetry)
