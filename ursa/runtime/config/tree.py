"""The whole configuration of a control plane as one immutable value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ursa.runtime.config.basics import General
from ursa.runtime.config.multizone import EventBus, InterCp, Multizone
from ursa.runtime.config.observability import Metrics, MonitoringAssignmentServer, Reports, Tracing
from ursa.runtime.config.proxies import BootstrapServer, DpServer, Proxy, XdsServer
from ursa.runtime.config.runtimes import Experimental, Runtime
from ursa.runtime.config.servers import Access, ApiServer, Diagnostics
from ursa.runtime.config.services import CoreResources, Defaults, DnsServer, Ipam, MeshService, Policies
from ursa.runtime.config.setting import Group, group, setting
from ursa.runtime.config.store import Store
from ursa.runtime.tls_rules import TlsLimits


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

    @property
    def tls_servers(self) -> tuple[TlsLimits, ...]:
        """What is said about TLS of each server."""
        kds, inter_cp = self.multizone.global_.kds, self.inter_cp.server
        monitoring = self.monitoring_assignment_server
        return (self.api_server.https, self.dp_server, self.diagnostics, kds, inter_cp, monitoring)


def work_dir(settings: Settings) -> Path:
    """The folder of files this process makes for itself (`general.workDir`)."""
    return Path(settings.general.work_dir or Path.home() / ".kuma")
