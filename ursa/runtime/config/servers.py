"""The HTTP API, who may use it, and diagnostics.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ursa.runtime.config.setting import Group, KeyList, StrList, group, setting


class ApiServerHttp(Group):
    """Settings below `apiServer.http`."""

    enabled: bool = setting(True, env="API_SERVER_HTTP_ENABLED")
    interface: str = setting("0.0.0.0", env="API_SERVER_HTTP_INTERFACE")
    port: int = setting(5681, env="API_SERVER_HTTP_PORT")


class ApiServerHttps(Group):
    """Settings below `apiServer.https`."""

    enabled: bool = setting(True, env="API_SERVER_HTTPS_ENABLED")
    interface: str = setting("0.0.0.0", env="API_SERVER_HTTPS_INTERFACE")
    port: int = setting(5682, env="API_SERVER_HTTPS_PORT")
    tls_cert_file: str = setting("", env="API_SERVER_HTTPS_TLS_CERT_FILE", doc="empty = general.tlsCertFile")
    tls_key_file: str = setting("", env="API_SERVER_HTTPS_TLS_KEY_FILE", doc="empty = general.tlsKeyFile")
    tls_min_version: str = setting("TLSv1_2", env="API_SERVER_HTTPS_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="API_SERVER_HTTPS_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="API_SERVER_HTTPS_TLS_CIPHER_SUITES")
    require_client_cert: bool = setting(
        False, env="API_SERVER_HTTPS_REQUIRE_CLIENT_CERT", doc="handshake fails without a client certificate"
    )
    tls_ca_file: str = setting(
        "",
        env="API_SERVER_HTTPS_TLS_CA_FILE",
        doc="CA for client certificates",
        also="API_SERVER_HTTPS_CLIENT_CERTS_CA_FILE",
    )


class ApiServerAuth(Group):
    """Settings below `apiServer.auth`."""

    client_certs_dir: str = setting(
        "", env="API_SERVER_AUTH_CLIENT_CERTS_DIR", doc="directory of .pem/.crt trusted client certificates"
    )


class ApiServerAuthnTokensValidator(Group):
    """Settings below `apiServer.authn.tokens.validator`."""

    use_secrets: bool = setting(
        True, env="API_SERVER_AUTHN_TOKENS_VALIDATOR_USE_SECRETS", doc="trust GlobalSecrets user-token-signing-key-*"
    )
    public_keys: KeyList = setting((), doc="file only: list of {kid, key | keyFile} (PEM RSA public key)")


class ApiServerAuthnTokens(Group):
    """Settings below `apiServer.authn.tokens`."""

    bootstrap_admin_token: bool = setting(
        True, env="API_SERVER_AUTHN_TOKENS_BOOTSTRAP_ADMIN_TOKEN", doc="create GlobalSecret admin-user-token"
    )
    enable_issuer: bool = setting(
        True, env="API_SERVER_AUTHN_TOKENS_ENABLE_ISSUER", doc="false: POST /tokens/user answers 400"
    )
    validator: ApiServerAuthnTokensValidator = group(ApiServerAuthnTokensValidator)


class ApiServerAuthn(Group):
    """Settings below `apiServer.authn`."""

    type: str = setting("tokens", env="API_SERVER_AUTHN_TYPE", doc="tokens or adminClientCerts")
    localhost_is_admin: bool = setting(
        True, env="API_SERVER_AUTHN_LOCALHOST_IS_ADMIN", doc="direct loopback callers are admin"
    )
    tokens: ApiServerAuthnTokens = group(ApiServerAuthnTokens)


class ApiServerAudit(Group):
    """Settings below `apiServer.audit`; ours."""

    enabled: bool = setting(
        True, env="API_SERVER_AUDIT_ENABLED", doc="ours: log who wrote what, with which revision, and who was refused"
    )
    file: str = setting("", env="API_SERVER_AUDIT_FILE", doc="ours: a file that gets these lines too, as JSON")


class ApiServerGui(Group):
    """Settings below `apiServer.gui`."""

    enabled: bool = setting(True, env="API_SERVER_GUI_ENABLED", doc="ignored on a federated zone (always off)")
    root_url: str = setting("", env="API_SERVER_GUI_ROOT_URL", doc="external GUI URL; also returned as gui by GET /")
    base_path: str = setting("/gui", env="API_SERVER_GUI_BASE_PATH")


class ApiServer(Group):
    """Settings below `apiServer`."""

    read_only: bool = setting(
        False, env="API_SERVER_READ_ONLY", doc="all PUT/DELETE on resources answer 405; tokens endpoints still work"
    )
    cors_allowed_domains: StrList = setting(
        (), env="API_SERVER_CORS_ALLOWED_DOMAINS", doc="exact origins or .*; empty = no CORS handling at all"
    )
    http: ApiServerHttp = group(ApiServerHttp)
    https: ApiServerHttps = group(ApiServerHttps)
    auth: ApiServerAuth = group(ApiServerAuth)
    authn: ApiServerAuthn = group(ApiServerAuthn)
    base_path: str = setting(
        "/",
        env="API_SERVER_BASE_PATH",
        doc="prefix of the API (and of /tokens/dataplane, /tokens/zone, not of /tokens/user)",
    )
    root_url: str = setting("", env="API_SERVER_ROOT_URL", doc="external URL put into the GUI page")
    gui: ApiServerGui = group(ApiServerGui)
    audit: ApiServerAudit = group(ApiServerAudit)


class AccessStaticAdminResources(Group):
    """Settings below `access.static.adminResources`."""

    users: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_ADMIN_RESOURCES_USERS")
    groups: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_ADMIN_RESOURCES_GROUPS")


class AccessStaticGenerateDpToken(Group):
    """Settings below `access.static.generateDpToken`."""

    users: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_DP_TOKEN_USERS")
    groups: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_DP_TOKEN_GROUPS")


class AccessStaticGenerateUserToken(Group):
    """Settings below `access.static.generateUserToken`."""

    users: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_USER_TOKEN_USERS")
    groups: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_USER_TOKEN_GROUPS")


class AccessStaticGenerateZoneToken(Group):
    """Settings below `access.static.generateZoneToken`."""

    users: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_ZONE_TOKEN_USERS")
    groups: StrList = setting(("mesh-system:admin",), env="ACCESS_STATIC_GENERATE_ZONE_TOKEN_GROUPS")


class AccessStaticViewConfigDump(Group):
    """Settings below `access.static.viewConfigDump`."""

    users: StrList = setting((), env="ACCESS_STATIC_GET_CONFIG_DUMP_USERS", doc="users who may see configuration dumps")
    groups: StrList = setting(
        ("mesh-system:unauthenticated", "mesh-system:authenticated"), env="ACCESS_STATIC_GET_CONFIG_DUMP_GROUPS"
    )


class AccessStaticViewStats(Group):
    """Settings below `access.static.viewStats`."""

    users: StrList = setting((), env="ACCESS_STATIC_VIEW_STATS_USERS")
    groups: StrList = setting(
        ("mesh-system:unauthenticated", "mesh-system:authenticated"), env="ACCESS_STATIC_VIEW_STATS_GROUPS"
    )


class AccessStaticViewClusters(Group):
    """Settings below `access.static.viewClusters`."""

    users: StrList = setting((), env="ACCESS_STATIC_VIEW_CLUSTERS_USERS")
    groups: StrList = setting(
        ("mesh-system:unauthenticated", "mesh-system:authenticated"), env="ACCESS_STATIC_VIEW_CLUSTERS_GROUPS"
    )


class AccessStaticControlPlaneMetadata(Group):
    """Settings below `access.static.controlPlaneMetadata`."""

    users: StrList = setting((), env="ACCESS_STATIC_CONTROL_PLANE_METADATA_USERS")
    groups: StrList = setting(
        ("mesh-system:unauthenticated", "mesh-system:authenticated"), env="ACCESS_STATIC_CONTROL_PLANE_METADATA_GROUPS"
    )


class AccessStatic(Group):
    """Settings below `access.static`."""

    admin_resources: AccessStaticAdminResources = group(AccessStaticAdminResources)
    generate_dp_token: AccessStaticGenerateDpToken = group(AccessStaticGenerateDpToken)
    generate_user_token: AccessStaticGenerateUserToken = group(AccessStaticGenerateUserToken)
    generate_zone_token: AccessStaticGenerateZoneToken = group(AccessStaticGenerateZoneToken)
    view_config_dump: AccessStaticViewConfigDump = group(AccessStaticViewConfigDump)
    view_stats: AccessStaticViewStats = group(AccessStaticViewStats)
    view_clusters: AccessStaticViewClusters = group(AccessStaticViewClusters)
    control_plane_metadata: AccessStaticControlPlaneMetadata = group(AccessStaticControlPlaneMetadata)


class RoleBinding(BaseModel):
    """Gives users and groups a role in meshes; ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["reader", "editor", "admin"]
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    meshes: tuple[str, ...] = ("*",)
    """Names or patterns; only a binding for `*` reaches what stands outside meshes."""


class AccessRoles(Group):
    """Settings below `access.roles`; ours."""

    enabled: bool = setting(
        False, env="ACCESS_ROLES_ENABLED", doc="ours: ordinary resources need a role; off, anybody may write as in Kuma"
    )
    bindings: tuple[RoleBinding, ...] = setting(
        (), doc="ours, file only: list of {role: reader | editor | admin, users, groups, meshes (names or patterns)}"
    )


class Access(Group):
    """Settings below `access`."""

    type: str = setting("static", env="ACCESS_TYPE", doc="only static")
    static: AccessStatic = group(AccessStatic)
    roles: AccessRoles = group(AccessRoles)


class Diagnostics(Group):
    """Settings below `diagnostics`."""

    server_port: int = setting(5680, env="DIAGNOSTICS_SERVER_PORT", doc="/healthy, /ready, /metrics")
    debug_endpoints: bool = setting(False, env="DIAGNOSTICS_DEBUG_ENDPOINTS", doc="/debug/pprof/")
    tls_enabled: bool = setting(False, env="DIAGNOSTICS_TLS_ENABLED")
    tls_cert_file: str = setting("", env="DIAGNOSTICS_TLS_CERT_FILE", doc="empty = general.tlsCertFile")
    tls_key_file: str = setting("", env="DIAGNOSTICS_TLS_KEY_FILE", doc="empty = general.tlsKeyFile")
    tls_min_version: str = setting("TLSv1_2", env="DIAGNOSTICS_TLS_MIN_VERSION")
    tls_max_version: str = setting("", env="DIAGNOSTICS_TLS_MAX_VERSION")
    tls_cipher_suites: StrList = setting((), env="DIAGNOSTICS_TLS_CIPHER_SUITES")
