"""From a request and its proxy to the bootstrap and to what the launcher itself is told."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from ursa.envoy.bootstrap import BootstrapInputs, ControlPlane
from ursa.runtime.config import Settings
from zone_cp.dp_server.bootstrap.request import BootstrapRequest, Version
from zone_cp.dp_server.bootstrap.subject import Subject

DELTA_FEATURES = frozenset({"feature-delta-grpc", "feature-delta-grpc-node-once"})
"""Launchers that want incremental discovery. The second is ours: Kuma, which cannot serve an Envoy that sends its node
only once (`spec/xds.md` §8.3), does not know it and so answers such a launcher with the older protocol."""

UNIFIED_NAMES = "feature-unified-resource-naming"
TRANSPARENT_PROXY = "feature-transparent-proxy-in-dataplane-metadata"


def bootstrap_inputs(
    request: BootstrapRequest,
    subject: Subject,
    settings: Settings,
    *,
    host: str,
    authority: bytes,
    v4_only: bool = False,
) -> BootstrapInputs:
    """Facts of the request, with the settings where it says nothing."""
    params = settings.bootstrap_server.params
    from_file = settings.dp_server.authn.enable_reloadable_tokens
    control_plane = ControlPlane(
        host=host,
        port=params.xds_port or settings.dp_server.port,
        connect_timeout=params.xds_connect_timeout,
        authority=authority,
        token=request.dataplane_token,
        token_path=request.dataplane_token_path if from_file else "",
        v4_only=v4_only,
        delta=settings.experimental.delta_xds or not DELTA_FEATURES.isdisjoint(request.features),
    )
    return BootstrapInputs(
        mesh=subject.mesh,
        name=subject.name,
        proxy_type=subject.proxy_type,
        service=subject.service,
        control_plane=control_plane,
        admin_address=params.admin_address,
        admin_port=subject.admin_port or params.admin_port,
        admin_access_log=params.admin_access_log_path,
        resource_text=request.dataplane_resource,
        dns_port=request.dns_port,
        readiness_port=request.readiness_port,
        app_probe_proxy=request.app_probe_proxy_enabled,
        dynamic_metadata=request.dynamic_metadata,
        features=request.features,
        version=_versions(request.version),
        workdir=request.workdir,
        system_ca_path=request.system_ca_path,
        metrics_cert_path=request.metrics_resources.cert_path,
        metrics_key_path=request.metrics_resources.key_path,
        spire_socket_path=request.spire_resources.socket_path,
        ipv6=request.ipv6_enabled,
        transparent_proxy=_redirection(request),
        health_discovery=subject.proxy_type == "dataplane" and settings.dp_server.hds.enabled,
        unified_names=UNIFIED_NAMES in request.features and subject.exclusive,
        builtin_gateway=subject.builtin_gateway,
        max_heap=request.resources.max_heap_size_bytes,
    )


def sidecar_configuration(subject: Subject, settings: Settings) -> dict[str, object]:
    """What the launcher does itself; blocks for the one file it may have to read."""
    path = settings.bootstrap_server.params.corefile_template_path
    template = base64.b64encode(Path(path).read_bytes()).decode() if path else None
    return {
        "networking": {"corefileTemplate": template, "address": subject.address},
        "metrics": {"aggregate": list(subject.applications)},
    }


def _versions(version: Version) -> dict[str, object]:
    launcher, envoy = version.kuma_dp, version.envoy
    about_envoy: dict[str, object] = {"version": envoy.version, "build": envoy.build}
    if envoy.kuma_dp_compatible:
        about_envoy["kumaDpCompatible"] = True
    return {"kumaDp": launcher.model_dump(by_alias=True), "envoy": about_envoy}


def _redirection(request: BootstrapRequest) -> Mapping[str, object] | None:
    config = request.dataplane_config
    if config is None or TRANSPARENT_PROXY not in request.features:
        return None
    return {"ipFamilyMode": config.ip_family_mode, "redirect": {k: dict(v) for k, v in config.redirect.items()}}
