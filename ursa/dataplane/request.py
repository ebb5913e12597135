"""The bootstrap request: everything the control plane wants to know about a proxy before it has spoken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ursa.dataplane.envoy import EnvoyVersion
from ursa.dataplane.resource import to_json
from ursa.dataplane.settings import DataplaneSettings, memory_limit
from ursa.version import BASED_ON_KUMA

DNS_PORT = 15054
"""Announced DNS port of Envoy's filter; used only with a transparent proxy."""

SYSTEM_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the system's trusted authorities."""


DELTA_FEATURES: Mapping[str, str] = {"": "feature-delta-grpc-node-once", "DELTA_GRPC": "feature-delta-grpc"}
"""How incremental discovery is asked for, by transport variant. By default in a way that only Ursa understands: Kuma
2.13 wants Envoy's node in every request, Envoy sends it once, and such a proxy would never be configured."""


def features(settings: DataplaneSettings) -> list[str]:
    """What this launcher and its Envoy really do; each one moves work from the control plane to here."""
    found = ["feature-tcp-accesslog-via-named-pipe"]
    if settings.readiness_unix_socket:
        found.append("feature-readiness-unix-socket")
    if settings.reuse_port:
        found.append("feature-reuse-port")
    if settings.strict_inbound_ports:
        found.append("feature-strict-inbound-ports")
    if delta := DELTA_FEATURES.get(settings.transport_variant):
        found.append(delta)
    if settings.unified_naming:
        found.append("feature-unified-resource-naming")
    return found


def bootstrap_request(
    settings: DataplaneSettings,
    *,
    resource: Mapping[str, Any] | None,
    token: str,
    ca_cert: str,
    work_dir: str,
    envoy: EnvoyVersion,
) -> dict[str, Any]:
    """The body of `POST /bootstrap` (`spec/dataplane.md` §2.3)."""
    mesh = str(resource.get("mesh", "")) if resource else settings.mesh
    return {
        "mesh": mesh if settings.proxy_type == "dataplane" else "",
        "name": str(resource["name"]) if resource else settings.name,
        "proxyType": settings.proxy_type,
        "dataplaneToken": token,
        "dataplaneTokenPath": settings.token_path,
        "dataplaneResource": to_json(resource) if resource else "",
        "version": {
            "kumaDp": {"version": BASED_ON_KUMA, "gitTag": "", "gitCommit": "", "buildDate": ""},
            "envoy": {"version": envoy.version, "build": envoy.build, "kumaDpCompatible": envoy.tested},
        },
        "caCert": ca_cert,
        "dynamicMetadata": {},
        "dnsPort": DNS_PORT,
        "readinessPort": settings.readiness_port,
        "appProbeProxyDisabled": False,  # the name is inverted on the wire: false means there is no probe proxy
        "operatingSystem": "linux",
        "features": features(settings),
        "resources": {"maxHeapSizeBytes": settings.max_memory_bytes or memory_limit()},
        "workdir": work_dir,
        "systemCaPath": settings.system_ca_path or _system_ca(),
        "metricsResources": {"certPath": settings.metrics_cert_path, "keyPath": settings.metrics_key_path},
        "ipv6Enabled": settings.ipv6_enabled,
        "spireResources": {"socketPath": ""},
    }


def _system_ca() -> str:
    return next((path for path in SYSTEM_CA_FILES if Path(path).is_file()), "")
