"""What a connecting Envoy tells about itself, in the planner's terms; and the planner's settings from configuration."""

from __future__ import annotations

import ipaddress

from ursa.planner.inputs import FEATURE_TPROXY_IN_METADATA, ProxyFacts, Redirection, Settings
from ursa.runtime.config import Settings as Configuration
from ursa.runtime.tls_rules import server_rules
from zone_cp.dp_server.hds import HealthSettings
from zone_cp.dp_server.health import CheckDefaults
from zone_cp.dp_server.node import NodeInfo
from zone_cp.dp_server.server import DpServerSettings


def facts_of(node: NodeInfo) -> ProxyFacts:
    """The facts that plans may depend on."""
    return ProxyFacts(
        name=node.name,
        features=node.features,
        admin_port=node.admin_port,
        admin_address=node.admin_address,
        readiness_port=node.readiness_port,
        dns_port=node.dns_port,
        workdir=node.workdir,
        system_ca=node.system_ca_path,
        metrics_cert=node.metrics_cert_path,
        metrics_key=node.metrics_key_path,
        ipv6=node.ipv6,
        redirection=_redirection(node),
    )


def planner_settings(configuration: Configuration) -> Settings:
    """The part of the configuration that plans may depend on."""
    networks = map(ipaddress.ip_network, configuration.ipam.known_internal_cidrs)
    dns, kubernetes = configuration.dns_server, configuration.environment == "kubernetes"
    return Settings(
        internal_cidrs=tuple((str(network.network_address), network.prefixlen) for network in networks),
        vip_domain=dns.domain,
        vip_port=dns.service_vip_port,
        system_namespace=configuration.store.kubernetes.system_namespace if kubernetes else "",
        auto_reachable=configuration.experimental.auto_reachable_services,
    )


def health_settings(configuration: Configuration) -> HealthSettings:
    """What health discovery asks of Envoys."""
    hds, checks = configuration.dp_server.hds, configuration.dp_server.hds.check_defaults
    defaults = CheckDefaults(
        interval=hds.interval,
        timeout=checks.timeout,
        check_interval=checks.interval,
        no_traffic_interval=checks.no_traffic_interval,
        healthy_threshold=checks.healthy_threshold,
        unhealthy_threshold=checks.unhealthy_threshold,
    )
    return HealthSettings(
        defaults,
        configuration.bootstrap_server.params.admin_port,
        patience=configuration.dp_server.read_header_timeout,
        attempts=configuration.store.upsert.conflict_retry_max_times,
    )


def dp_server_settings(configuration: Configuration) -> DpServerSettings:
    """Where and how proxies connect."""
    server = configuration.dp_server
    rules = server_rules(server, configuration.general)
    return DpServerSettings(port=server.port, tls=rules, read_header_timeout=server.read_header_timeout)


def _redirection(node: NodeInfo) -> Redirection | None:
    transparent = node.transparent_proxy
    if transparent is None or FEATURE_TPROXY_IN_METADATA not in node.features:
        return None
    return Redirection(
        transparent.inbound_port if transparent.inbound_enabled else 0,
        transparent.outbound_port if transparent.outbound_enabled else 0,
        transparent.dns_enabled,
        transparent.ip_family_mode.lower() != "ipv4",
    )
