"""The whole configuration of a control plane as one immutable value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ursa.runtime.config.basics import General
from ursa.runtime.config.multizone import EventBus, InterCp, Multizone
from ursa.runtime.config.observability import Metrics, MonitoringAssignmentServer, Reports, Tracing
from ursa.runtime.config.proxies import BootstrapServer, DpServer, Proxy, XdsServer
from ursa.runtime.config.runtimes import Experimental, Runtime
from ursa.runtime.config.servers import Access, ApiServer, Diagnostics
from ursa.runtime.config.services import CoreResources, Defaults, DnsServer, Ipam, MeshService, Policies
from ursa.runtime.config.setting import Group, group, setting
from ursa.runtime.config.store import Store


class Settings(Group):
    """The root of the tree."""

    mode: Literal["zone", "global", "standalone"] = setting(
        "zone", env="MODE", doc="zone or global; standalone is an old word for a zone without a global"
    )
    environment: Literal["universal", "kubernetes"] = setting("universal", env="ENVIRONMENT")
    general: General = group(General)
    store: Store = group(Store)
    api_server: ApiServer = group(ApiServer)
    access: Access = group(Access)
    diagnostics: Diagnostics = group(Diagnostics)
    bootstrap_server: BootstrapServer = group(BootstrapServer)
    xds_server: XdsServer = group(XdsServer)
    dp_server: DpServer = group(DpServer)
    proxy: Proxy = group(Proxy)
    multizone: Multizone = group(Multizone)
    inter_cp: InterCp = group(InterCp)
    event_bus: EventBus = group(EventBus)
    dns_server: DnsServer = group(DnsServer)
    policies: Policies = group(Policies)
    core_resources: CoreResources = group(CoreResources)
    ipam: Ipam = group(Ipam)
    mesh_service: MeshService = group(MeshService)
    defaults: Defaults = group(Defaults)
    monitoring_assignment_server: MonitoringAssignmentServer = group(MonitoringAssignmentServer)
    metrics: Metrics = group(Metrics)
    reports: Reports = group(Reports)
    tracing: Tracing = group(Tracing)
    runtime: Runtime = group(Runtime)
    experimental: Experimental = group(Experimental)

    @property
    def is_global(self) -> bool:
        """Whether this process is a global control plane."""
        return self.mode == "global"

    @property
    def is_federated(self) -> bool:
        """Whether this is a zone that syncs with a global."""
        return not self.is_global and bool(self.multizone.zone.global_address)

    def problems(self) -> list[str]:
        """What is wrong with the values taken together; each text names the part and the reason."""
        found: list[str] = []
        zone = self.multizone.zone
        if not self.is_global:
            found += _zone_problems(zone.name, zone.global_address)
        health = self.multizone.global_.kds.zone_health_check
        if (health.timeout > 0) != (health.poll_interval > 0):
            found.append(
                "Multizone Global KDS validation failed: timeout and pollInterval must both be either set or unset"
            )
        for name, port in (
            ("ApiServer", self.api_server.http.port),
            ("ApiServer", self.api_server.https.port),
            ("Dataplane Server", self.dp_server.port),
            ("Diagnostics", self.diagnostics.server_port),
            ("Multizone Global KDS", self.multizone.global_.kds.grpc_port),
        ):
            if not 0 <= port <= 65535:
                found.append(f"{name} validation failed: Port must be in range [0, 65535]")
        for cert, key in (
            (self.general.tls_cert_file, self.general.tls_key_file),
            (self.dp_server.tls_cert_file, self.dp_server.tls_key_file),
            (self.api_server.https.tls_cert_file, self.api_server.https.tls_key_file),
            (self.multizone.global_.kds.tls_cert_file, self.multizone.global_.kds.tls_key_file),
        ):
            if key and not cert:
                found.append(".TlsCertFile cannot be empty if TlsKeyFile has been set")
            if cert and not key:
                found.append(".TlsKeyFile cannot be empty if TlsCertFile has been set")
        return found


def _zone_problems(name: str, address: str) -> list[str]:
    prefix = "Multizone Zone validation failed: "
    found: list[str] = []
    if not name:
        found.append(prefix + "Name is mandatory")
    elif len(name) > 63:
        found.append(prefix + "Zone name cannot be longer than 63 characters")
    if address:
        scheme = urlsplit(address).scheme
        if scheme not in ("grpc", "grpcs"):
            found.append(prefix + f'unsupported scheme "{scheme}" in zone GlobalAddress. Use one of [grpc grpcs]')
    return found


def work_dir(settings: Settings) -> Path:
    """The folder of files this process makes for itself (`general.workDir`)."""
    return Path(settings.general.work_dir or Path.home() / ".kuma")
