"""Everything a bootstrap depends on; nothing else may influence it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Document: TypeAlias = dict[str, object]

MAX_GATEWAY_CONNECTIONS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Where Envoy finds its control plane, and how both prove who they are.

    Attributes:
        host: name or IP address, as the launcher used it.
        connect_timeout: seconds.
        authority: PEM of what signed the control plane's certificate.
        token: sent with every stream; empty = none.
        token_path: file that Envoy reads anew for every stream; takes the place of `token`.
        v4_only: the name has no IPv6 address, so Envoy need not ask for one.
        delta: ask for incremental discovery.
    """

    host: str
    port: int
    connect_timeout: float = 1.0
    authority: bytes = b""
    token: str = ""
    token_path: str = ""
    v4_only: bool = False
    delta: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapInputs:
    """One proxy, as its launcher and its resource describe it. Ports are 0 and texts empty when nothing is said.

    Attributes:
        mesh: empty for zone proxies.
        proxy_type: `dataplane`, `ingress` or `egress`.
        service: what names the group of proxies in Envoy's statistics.
        resource_text: the resource that the proxy brings along, verbatim.
        version: versions of launcher and Envoy, as an insight shows them.
        transparent_proxy: redirection as it was installed, where the launcher says so.
        health_discovery: let Envoy report the health of its workloads.
        unified_names: names of the newer scheme for what this document defines.
        builtin_gateway: Envoy is the gateway itself, and protects itself from its clients.
        max_heap: bytes.
    """

    mesh: str
    name: str
    proxy_type: str
    service: str
    control_plane: ControlPlane
    admin_address: str = "127.0.0.1"
    admin_port: int = 0
    admin_access_log: str = "/dev/null"
    resource_text: str = ""
    dns_port: int = 0
    readiness_port: int = 0
    app_probe_proxy: bool = False
    dynamic_metadata: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    version: Mapping[str, object] = field(default_factory=dict)
    workdir: str = ""
    system_ca_path: str = ""
    metrics_cert_path: str = ""
    metrics_key_path: str = ""
    spire_socket_path: str = ""
    ipv6: bool = False
    transparent_proxy: Mapping[str, object] | None = None
    health_discovery: bool = False
    unified_names: bool = False
    builtin_gateway: bool = False
    max_heap: int = 0
    max_connections: int = MAX_GATEWAY_CONNECTIONS
