"""What the launcher is told by flags and `KUMA_*`/`URSA_*` variables (`spec/dataplane.md` §2.1), as one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ursa.errors import ConfigError
from ursa.model.duration import parse_go

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DataplaneSettings:
    """Effective settings of one launcher; durations in seconds, files as paths, empty = not given."""

    cp_address: str = "https://localhost:5678"
    ca_cert: str = ""
    skip_verify: bool = False
    retry_backoff: float = 3.0
    retry_max_duration: float = 300.0
    mesh: str = ""
    name: str = ""
    proxy_type: str = "dataplane"
    drain_time: float = 30.0
    binary_path: str = "envoy"
    work_dir: str = ""
    concurrency: int = 0
    token: str = ""
    token_path: str = ""
    resource: str = ""
    resource_path: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    envoy_log_level: str = ""
    envoy_component_log_level: str = ""
    max_memory_bytes: int = 0
    readiness_port: int = 9902
    readiness_unix_socket: bool = True
    ipv6_enabled: bool = True
    strict_inbound_ports: bool = True
    reuse_port: bool = True
    system_ca_path: str = ""
    transport_variant: str = ""
    unified_naming: bool = False
    metrics_cert_path: str = ""
    metrics_key_path: str = ""
    dynamic_refresh: float = 1.0
    telemetry_service: str = ""
    log_level: str = "info"


VARIABLES: Mapping[str, str] = {
    "cp_address": "CONTROL_PLANE_URL",
    "ca_cert": "CONTROL_PLANE_CA_CERT",
    "skip_verify": "CONTROL_PLANE_TLS_SKIP_VERIFY",
    "retry_backoff": "CONTROL_PLANE_RETRY_BACKOFF",
    "retry_max_duration": "CONTROL_PLANE_RETRY_MAX_DURATION",
    "mesh": "DATAPLANE_MESH",
    "name": "DATAPLANE_NAME",
    "proxy_type": "DATAPLANE_PROXY_TYPE",
    "drain_time": "DATAPLANE_DRAIN_TIME",
    "binary_path": "DATAPLANE_RUNTIME_BINARY_PATH",
    "work_dir": "DATAPLANE_RUNTIME_WORK_DIR",
    "concurrency": "DATAPLANE_RUNTIME_CONCURRENCY",
    "token": "DATAPLANE_RUNTIME_TOKEN",
    "token_path": "DATAPLANE_RUNTIME_TOKEN_PATH",
    "resource": "DATAPLANE_RUNTIME_RESOURCE",
    "resource_path": "DATAPLANE_RUNTIME_RESOURCE_PATH",
    "envoy_log_level": "DATAPLANE_RUNTIME_ENVOY_LOG_LEVEL",
    "envoy_component_log_level": "DATAPLANE_RUNTIME_ENVOY_COMPONENT_LOG_LEVEL",
    "max_memory_bytes": "DATAPLANE_RESOURCES_MAX_MEMORY_BYTES",
    "readiness_port": "READINESS_PORT",
    "ipv6_enabled": "DATAPLANE_RUNTIME_IPV6_ENABLED",
    "strict_inbound_ports": "DATAPLANE_RUNTIME_STRICT_INBOUND_PORTS_ENABLED",
    "reuse_port": "DATAPLANE_RUNTIME_REUSE_PORT_ENABLED",
    "metrics_cert_path": "DATAPLANE_RUNTIME_METRICS_CERT_PATH",
    "metrics_key_path": "DATAPLANE_RUNTIME_METRICS_KEY_PATH",
    "dynamic_refresh": "DATAPLANE_RUNTIME_DYNAMIC_CONFIGURATION_REFRESH_INTERVAL",
    "system_ca_path": "DATAPLANE_RUNTIME_DYNAMIC_SYSTEM_CA_PATH",
    "transport_variant": "DATAPLANE_RUNTIME_ENVOY_XDS_TRANSPORT_PROTOCOL_VARIANT",
    "unified_naming": "DATAPLANE_RUNTIME_UNIFIED_RESOURCE_NAMING_ENABLED",
}
"""Variable of each setting without its `KUMA_` or `URSA_` prefix."""

DURATIONS = frozenset({"retry_backoff", "retry_max_duration", "drain_time", "dynamic_refresh"})


def from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    """Settings given by variables; `URSA_X` wins over `KUMA_X`.

    Raises:
        ConfigError: a value has the wrong type.
    """
    found: dict[str, object] = {}
    for setting, variable in VARIABLES.items():
        text = environ.get("URSA_" + variable, environ.get("KUMA_" + variable))
        if text is not None:
            found[setting] = _convert(setting, variable, text)
    if "READINESS_UNIX_SOCKET_DISABLED" in {k.split("_", 1)[-1] for k in environ}:
        disabled = environ.get(
            "URSA_READINESS_UNIX_SOCKET_DISABLED", environ.get("KUMA_READINESS_UNIX_SOCKET_DISABLED")
        )
        found["readiness_unix_socket"] = disabled not in ("true", "1")
    found["telemetry_service"] = environ.get("OTEL_SERVICE_NAME", "")
    if not found.get("name") and environ.get("POD_NAME"):
        found["name"] = f"{environ['POD_NAME']}.{environ.get('POD_NAMESPACE', '')}"
    return found


def _convert(setting: str, variable: str, text: str) -> object:
    kind = type(getattr(DataplaneSettings(), setting))
    try:
        if setting in DURATIONS:
            return parse_go(text) / SECOND
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise ConfigError(f"KUMA_{variable}: {text!r} is not a valid {kind.__name__}") from None


def merge(environ: Mapping[str, str], flags: Mapping[str, object]) -> DataplaneSettings:
    """Defaults, then variables, then flags that were given (not None)."""
    values = from_environment(environ) | {k: v for k, v in flags.items() if v is not None}
    return DataplaneSettings(**values)  # type: ignore[arg-type]


def memory_limit() -> int:
    """The memory limit of this process's control group in bytes, 0 when there is none."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):  # noqa: PTH110 - two fixed kernel files
            with open(path) as file:  # noqa: PTH123
                text = file.read().strip()
            return int(text) if text.isdigit() and int(text) < 1 << 60 else 0
    return 0
