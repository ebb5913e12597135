"""What is wrong with settings taken together, in Kuma's words where it checks the same: people search for them."""

from __future__ import annotations

import difflib
import ipaddress
import re
import ssl
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ursa.errors import ConfigError
from ursa.runtime.config.services import CoreResources, Policies
from ursa.runtime.tls_rules import server_rules

if TYPE_CHECKING:
    from ursa.runtime.config.tree import Settings

_ZONE_NAME = re.compile(r"[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?")
"""As tolerant as Kuma: the name of a Zone object has stricter rules."""

_AUTHENTICATION = ("tokens", "adminClientCerts")

CHOICES = {
    "mode": "Mode validation failed: invalid mode. Available modes: standalone, zone, global",
    "environment": "Environment should be either kubernetes or universal",
    "store.type": "Store validation failed: Type should be one of memory, sqlite, etcd, postgres, redis, kubernetes",
}
"""What is said of a setting that is none of its choices."""


def problems(settings: Settings) -> Iterator[str]:
    """One text per problem; each names the part and the reason."""
    if not settings.is_global:
        yield from _zone(settings)
    health = settings.multizone.global_.kds.zone_health_check
    if (health.timeout > 0) != (health.poll_interval > 0):
        yield "Multizone Global KDS validation failed: timeout and pollInterval must both be either set or unset"
    yield from _ports(settings)
    yield from _pairs(settings)
    yield from _tls(settings)
    yield from _amounts(settings)
    yield from _networks(settings)
    if settings.api_server.authn.type not in _AUTHENTICATION:
        yield f"there is not implementation of authn named {settings.api_server.authn.type}"
    if settings.access.type != "static":
        yield f"there is not implementation of access named {settings.access.type}"
    known = Policies().plugin_policies_enabled
    yield from _names("policies.pluginPoliciesEnabled", settings.policies.plugin_policies_enabled, known)
    yield from _names("coreResources.enabled", settings.core_resources.enabled, CoreResources().enabled)


def _zone(settings: Settings) -> Iterator[str]:
    name, address = settings.multizone.zone.name, settings.multizone.zone.global_address
    prefix = "Multizone Zone validation failed: "
    if not name:
        yield prefix + "Name is mandatory"
    elif len(name) > 63:
        yield prefix + "Zone name cannot be longer than 63 characters"
    elif not _ZONE_NAME.fullmatch(name):
        yield prefix + f"Zone name {name} has to be a valid DNS name"
    if not address:
        return
    try:
        scheme = urlsplit(address).scheme
    except ValueError as error:
        yield prefix + f"unable to parse zone GlobalAddress.: {error}"
        return
    if scheme not in ("grpc", "grpcs"):
        yield prefix + f'unsupported scheme "{scheme}" in zone GlobalAddress. Use one of [grpc grpcs]'


def _ports(settings: Settings) -> Iterator[str]:
    for name, port in (
        ("ApiServer", settings.api_server.http.port),
        ("ApiServer", settings.api_server.https.port),
        ("Dataplane Server", settings.dp_server.port),
        ("Diagnostics", settings.diagnostics.server_port),
        ("Multizone Global KDS", settings.multizone.global_.kds.grpc_port),
    ):
        if not 0 <= port <= 65535:
            yield f"{name} validation failed: Port must be in range [0, 65535]"


def _pairs(settings: Settings) -> Iterator[str]:
    for cert, key in (
        (settings.general.tls_cert_file, settings.general.tls_key_file),
        (settings.dp_server.tls_cert_file, settings.dp_server.tls_key_file),
        (settings.api_server.https.tls_cert_file, settings.api_server.https.tls_key_file),
        (settings.diagnostics.tls_cert_file, settings.diagnostics.tls_key_file),
        (settings.multizone.global_.kds.tls_cert_file, settings.multizone.global_.kds.tls_key_file),
    ):
        if key and not cert:
            yield ".TlsCertFile cannot be empty if TlsKeyFile has been set"
        if cert and not key:
            yield ".TlsKeyFile cannot be empty if TlsCertFile has been set"


def _tls(settings: Settings) -> Iterator[str]:
    """What no server could keep to; each text once, since what is wrong in `general` is wrong for all."""
    found: dict[str, None] = {}
    for server in settings.tls_servers:
        try:
            server_rules(server, settings.general).limit(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except ConfigError as error:
            found[str(error)] = None
    yield from found


def _amounts(settings: Settings) -> Iterator[str]:
    xds, hds = settings.xds_server, settings.dp_server.hds
    multizone, inter_cp = settings.multizone, settings.inter_cp
    kds, zone, rollouts = multizone.global_.kds, multizone.zone.kds, multizone.global_.rollouts
    for part, name, amount in (
        ("Xds Server", "DataplaneConfigurationRefreshInterval", xds.dataplane_configuration_refresh_interval),
        ("Xds Server", "DataplaneStatusFlushInterval", xds.dataplane_status_flush_interval),
        ("Multizone Global KDS", "RefreshInterval", kds.refresh_interval),
        ("Multizone Global KDS", "ChunkSize", kds.chunk_size),
        ("Multizone Global KDS", "AdminTimeout", kds.admin_timeout),
        ("Multizone Global KDS", "RegistrationTimeout", kds.registration_timeout),
        ("Multizone Global KDS", "SplitRegistrationTimeout", kds.split_registration_timeout),
        ("Multizone Global", "ZoneStalledAfter", multizone.global_.zone_stalled_after),
        ("Multizone Global Absence", "Witnesses", multizone.global_.absence.witnesses),
        ("Multizone Global Rollouts", "StuckAfter", rollouts.stuck_after),
        ("Multizone Global Rollouts", "AskInterval", rollouts.ask_interval),
        ("Multizone Global Rollouts", "Kept", rollouts.kept),
        ("Multizone Zone KDS", "RefreshInterval", zone.refresh_interval),
        ("Multizone Zone KDS", "ChunkSize", zone.chunk_size),
        ("Multizone Zone KDS", "AdminTimeout", zone.admin_timeout),
        ("Multizone Zone KDS", "AdminConcurrency", zone.admin_concurrency),
        ("Multizone Zone KDS", "AdminPartSize", zone.admin_part_size),
        ("Multizone Zone KDS", "ConnectTimeout", zone.connect_timeout),
        ("Multizone Zone KDS", "ProbeTimeout", zone.probe_timeout),
        ("Multizone Zone KDS", "WitnessTimeout", zone.witness_timeout),
        ("Multizone Zone KDS", "ReportInterval", zone.report_interval),
        ("Multizone Zone KDS", "ReportsKept", zone.reports_kept),
        ("Multizone Zone KDS", "HealthCheckInterval", zone.health_check_interval),
        ("Inter CP Lease", "Leader", inter_cp.lease.leader),
        ("Inter CP Lease", "Presence", inter_cp.lease.presence),
        ("Inter CP Client", "ConnectTimeout", inter_cp.client.connect_timeout),
        ("Inter CP Client", "AnswerTimeout", inter_cp.client.answer_timeout),
        ("Inter CP Client", "PingTimeout", inter_cp.client.ping_timeout),
        ("Inter CP Client", "PingMaxBackoff", inter_cp.client.ping_max_backoff),
        ("Store", "MaxWaitingCalls", settings.store.max_waiting_calls),
        ("Inter CP Balance", "StepPercent", inter_cp.balance.step_percent),
        ("Inter CP Balance", "Interval", inter_cp.balance.interval),
        ("Dataplane Server HDS", "Interval", hds.interval),
        ("Dataplane Server HDS", "RefreshInterval", hds.refresh_interval),
    ):
        if amount <= 0:
            yield f"{part} validation failed: {name} must be positive"


def _networks(settings: Settings) -> Iterator[str]:
    if not _is_network(settings.dns_server.cidr):
        yield "DNSServer validation failed: CIDR must be valid"
    ipam = settings.ipam
    for name, cidr in (
        ("MeshServiceCIDR", ipam.mesh_service.cidr),
        ("MeshExternalServiceCIDR", ipam.mesh_external_service.cidr),
        ("MeshMultiZoneServiceCIDR", ipam.mesh_multi_zone_service.cidr),
        *(("KnownInternalCIDRs", known) for known in ipam.known_internal_cidrs),
    ):
        if not _is_network(cidr):
            yield f"IPAM validation failed: {name}: invalid CIDR address: {cidr}"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _names(key: str, given: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    choices = set(known)
    for name in given:
        if name not in choices:
            near = difflib.get_close_matches(name, choices, 1)
            yield f"{key}: unknown name {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
