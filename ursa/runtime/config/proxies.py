"""What proxies talk to: bootstrap, discovery, health discovery.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from ursa.runtime.config.setting import FOLLOWED, Duration, Group, KeyList, StrList, group, setting


class BootstrapServerParams(Group):
    """Settings below `bootstrapServer.params`."""

    admin_address: str = setting(
        "127.0.0.1", env="BOOTSTRAP_SERVER_PARAMS_ADMIN_ADDRESS", doc="Envoy admin bind address"
    )
    admin_port: int = setting(
        9901, env="BOOTSTRAP_SERVER_PARAMS_ADMIN_PORT", doc="Envoy admin port when the data plane names none"
    )
    admin_access_log_path: str = setting("/dev/null", env="BOOTSTRAP_SERVER_PARAMS_ADMIN_ACCESS_LOG_PATH")
    xds_host: str = setting("", env="BOOTSTRAP_SERVER_PARAMS_XDS_HOST", doc="empty = host that kuma-dp used")
    xds_port: int = setting(0, env="BOOTSTRAP_SERVER_PARAMS_XDS_PORT", doc="0 = dpServer.port")
    xds_connect_timeout: Duration = setting(1.0, env="BOOTSTRAP_SERVER_PARAMS_XDS_CONNECT_TIMEOUT")
    corefile_template_path: str = setting(
        "", env="BOOTSTRAP_SERVER_PARAMS_COREFILE_TEMPLATE_PATH", doc="CoreDNS config template handed to kuma-dp"
    )


class BootstrapServer(Group):
    """Settings below `bootstrapServer`."""

    params: BootstrapServerParams = group(BootstrapServerParams)


class XdsServer(Group):
    """Settings below `xdsServer`."""

    dataplane_configuration_refresh_interval: Duration = setting(
        1.0, env="XDS_SERVER_DATAPLANE_CONFIGURATION_REFRESH_INTERVAL", inert=FOLLOWED
    )
    dataplane_status_flush_interval: Duration = setting(
        10.0, env="XDS_SERVER_DATAPLANE_STATUS_FLUSH_INTERVAL", doc="how often DataplaneInsight is written"
    )
    dataplane_deregistration_delay: Duration = setting(
        10.0,
        env="XDS_DATAPLANE_DEREGISTRATION_DELAY",
        doc="Universal, direct registration: wait before deleting the Dataplane after disconnect; 0s = at once.",
    )
    orphaned_after: Duration = setting(
        60.0,
        env="XDS_SERVER_ORPHANED_AFTER",
        doc="ours: a proxy whose instance died is offline when it has come to no other one for so long",
    )
    nack_backoff: Duration = setting(
        5.0, env="XDS_SERVER_NACK_BACKOFF", doc="pause before re-sending a config that was NACKed"
    )


class DpServerAuthnDpProxyDpTokenValidator(Group):
    """Settings below `dpServer.authn.dpProxy.dpToken.validator`."""

    use_secrets: bool = setting(
        True,
        env="DP_SERVER_AUTHN_DP_PROXY_DP_TOKEN_VALIDATOR_USE_SECRETS",
        doc="trust Secrets dataplane-token-signing-key-<mesh>-*",
    )
    public_keys: KeyList = setting((), doc="file only: {kid, mesh, key or keyFile}; empty mesh = all meshes")


class DpServerAuthnDpProxyDpToken(Group):
    """Settings below `dpServer.authn.dpProxy.dpToken`."""

    enable_issuer: bool = setting(True, env="DP_SERVER_AUTHN_DP_PROXY_DP_TOKEN_ENABLE_ISSUER")
    validator: DpServerAuthnDpProxyDpTokenValidator = group(DpServerAuthnDpProxyDpTokenValidator)


class DpServerAuthnDpProxy(Group):
    """Settings below `dpServer.authn.dpProxy`."""

    type: str = setting(
        "",
        env="DP_SERVER_AUTHN_DP_PROXY_TYPE",
        doc="dpToken, serviceAccountToken or none; empty = dpToken on Universal, else serviceAccountToken",
    )
    dp_token: DpServerAuthnDpProxyDpToken = group(DpServerAuthnDpProxyDpToken)


class DpServerAuthnZoneProxyZoneTokenValidator(Group):
    """Settings below `dpServer.authn.zoneProxy.zoneToken.validator`."""

    use_secrets: bool = setting(True, env="DP_SERVER_AUTHN_ZONE_PROXY_ZONE_TOKEN_VALIDATOR_USE_SECRETS")
    public_keys: KeyList = setting((), doc="file only: {kid, key or keyFile}")


class DpServerAuthnZoneProxyZoneToken(Group):
    """Settings below `dpServer.authn.zoneProxy.zoneToken`."""

    enable_issuer: bool = setting(True, env="DP_SERVER_AUTHN_ZONE_PROXY_ZONE_TOKEN_ENABLE_ISSUER")
    validator: DpServerAuthnZoneProxyZoneTokenValidator = group(DpServerAuthnZoneProxyZoneTokenValidator)


class DpServerAuthnZoneProxy(Group):
    """Settings below `dpServer.authn.zoneProxy`."""

    type: str = setting(
        "", env="DP_SERVER_AUTHN_ZONE_PROXY_TYPE", doc="zoneToken, serviceAccountToken, none; empty = by environment"
    )
    zone_token: DpServerAuthnZoneProxyZoneToken = group(DpServerAuthnZoneProxyZoneToken)


class DpServerAuthn(Group):
    """Settings below `dpServer.authn`."""

    dp_proxy: DpServerAuthnDpProxy = group(DpServerAuthnDpProxy)
    zone_proxy: DpServerAuthnZoneProxy = group(DpServerAuthnZoneProxy)
    enable_reloadable_tokens: bool = setting(
        False, env="DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS", doc="proxies re-read the token file"
    )


class DpServerHdsCheckDefaults(Group):
    """Settings below `dpServer.hds.checkDefaults`."""

    timeout: Duration = setting(2.0, env="DP_SERVER_HDS_CHECK_TIMEOUT")
    interval: Duration = setting(1.0, env="DP_SERVER_HDS_CHECK_INTERVAL")
    no_traffic_interval: Duration = setting(1.0, env="DP_SERVER_HDS_CHECK_NO_TRAFFIC_INTERVAL")
    healthy_threshold: int = setting(1, env="DP_SERVER_HDS_CHECK_HEALTHY_THRESHOLD")
    unhealthy_threshold: int = setting(1, env="DP_SERVER_HDS_CHECK_UNHEALTHY_THRESHOLD")


class DpServerHds(Group):
    """Settings below `dpServer.hds`."""

    enabled: bool = setting(True, env="DP_SERVER_HDS_ENABLED", doc="Universal only")
    interval: Duration = setting(5.0, env="DP_SERVER_HDS_INTERVAL")
    refresh_interval: Duration = setting(10.0, env="DP_SERVER_HDS_REFRESH_INTERVAL", inert=FOLLOWED)
    check_defaults: DpServerHdsCheckDefaults = group(DpServerHdsCheckDefaults)


class DpServer(Group):
    """Settings below `dpServer`."""

    port: int = setting(5678, env="DP_SERVER_PORT", doc="bootstrap, xDS, HDS")
    tls_cert_file: str = setting("", env="DP_SERVER_TLS_CERT_FILE", doc="empty = general.tlsCertFile")
    tls_key_file: str = setting("", env="DP_SERVER_TLS_KEY_FILE", doc="empty = general.tlsKeyFile")
    tls_min_version: str = setting("TLSv1_2", env="DP_SERVER_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="DP_SERVER_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="DP_SERVER_TLS_CIPHER_SUITES")
    read_header_timeout: Duration = setting(5.0, env="DP_SERVER_READ_HEADER_TIMEOUT")
    graceful_shutdown_timeout: Duration = setting(10.0, env="DP_SERVER_GRACEFUL_SHUTDOWN_TIMEOUT")
    authn: DpServerAuthn = group(DpServerAuthn)
    hds: DpServerHds = group(DpServerHds)


class ProxyGateway(Group):
    """Settings below `proxy.gateway`."""

    global_downstream_max_connections: int = setting(50000, env="PROXY_GATEWAY_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS")


class Proxy(Group):
    """Settings below `proxy`."""

    gateway: ProxyGateway = group(ProxyGateway)
