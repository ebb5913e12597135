"""What was so when exchanges were recorded and they do not tell themselves: settings, objects, what went before.

And, at the end, the recordings that are not replayed here or that we answer otherwise on purpose, each with its reason.
"""

from __future__ import annotations

PLACES = {
    "global": {"MODE": "global"},
    "zone": {"MULTIZONE_ZONE_NAME": "zone-1", "MULTIZONE_ZONE_GLOBAL_ADDRESS": "grpcs://global:5685"},
}
"""Variables of the control planes of a group; others are a zone of its own."""

_BASE_PATH = {
    "API_SERVER_BASE_PATH": "/api/v0",
    "API_SERVER_GUI_BASE_PATH": "/ui",
    "DEFAULTS_CREATE_MESH_ROUTING_RESOURCES": "true",
}
_NOT_ADMIN = {"API_SERVER_AUTHN_LOCALHOST_IS_ADMIN": "false"}
_SKIPPING = {
    "DEFAULTS_SKIP_MESH_CREATION": "true",
    "DEFAULTS_SKIP_HOSTNAME_GENERATORS": "true",
    "API_SERVER_AUTHN_TOKENS_BOOTSTRAP_ADMIN_TOKEN": "false",
}

SETTINGS = {
    "config/basepath": _BASE_PATH,
    "config/routing": _BASE_PATH,
    "config/guipath": _BASE_PATH,
    "config/cors": {
        **_SKIPPING,
        "API_SERVER_CORS_ALLOWED_DOMAINS": r"http://foo.example,https://.*\.corp\.example",
    },
    "config/dp-issuer": {"DP_SERVER_AUTHN_DP_PROXY_DP_TOKEN_ENABLE_ISSUER": "false"},
    "config/zone-issuer": {"DP_SERVER_AUTHN_ZONE_PROXY_ZONE_TOKEN_ENABLE_ISSUER": "false"},
    "config/user-issuer": {"API_SERVER_AUTHN_TOKENS_ENABLE_ISSUER": "false"},
    "config/gui": {"API_SERVER_GUI_ENABLED": "false"},
    "config/index-gui": {"API_SERVER_GUI_ENABLED": "false"},
    "config/localhost": _NOT_ADMIN,
    "config/readonly": {**_NOT_ADMIN, "API_SERVER_READ_ONLY": "true"},
    "config/skip-tenant": {"DEFAULTS_SKIP_TENANT_RESOURCES": "true"},
    "config/skip-": _SKIPPING,
}
"""Variables by the beginning of a recording's title; the longest that fits counts."""

AFTER = {
    "single/dataplane-_config-shadow-diff": ("single/shadow-policy-put",),
    "config/put-mesh-skip-policies-list": ("config/put-mesh-skip-policies",),
    "config/put-mesh-skip-policies-secrets": ("config/put-mesh-skip-policies",),
    "config/put-mesh-skip-some-mr": ("config/put-mesh-skip-some",),
    "config/put-mesh-skip-some-mt": ("config/put-mesh-skip-some",),
    "single/cascade-2-lists": ("single/cascade-1-create-mesh",),
    "single/dataplane-constraints-denied": ("single/dataplane-constraints-create-mesh",),
    "single/delete-secret-in-use": ("single/put-mesh-create-201", "single/put-mesh-mtls-update"),
    "single/secrets-of-mtls-mesh": ("single/put-mesh-create-201", "single/put-mesh-mtls-update"),
    "single/mesh-bad-format": ("single/put-mesh-create-201",),
    "single/policy-immutable-label-change": ("single/policy-custom-labels",),
    "single/policy-immutable-label-removed": ("single/policy-custom-labels",),
    "auth/whoami-revoked-token": ("auth/revocation-list-put",),
    "single/put-mesh-change-ca-forbidden": ("single/put-mesh-ca1",),
}
"""Recordings that were made before, and changed what the later one shows."""

_PAGES = ("single/page-size-zero",)
_PROXIES = ("single/dataplanes-overview-list",)
_CONFIGURED = (*_PAGES, *_PROXIES, "single/dataplane-insight")
_DEMO = ("kinds/Dataplane", "single/dataplanes-gateway-true")
_ZONE_DATAPLANES = ("global/dataplane-overviews",)
_EVERYTHING = (*_PAGES, *_PROXIES, *_DEMO, "kinds/*", "single/dataplane-get", "single/meshservices")

_ZONE_PROXIES = ("single/zoneegresses-overview", "single/zoneingresses-overview")
_ZONES = ("global/zones-overview", "global/zoneegresses-overview", "global/zoneingresses-overview")
_WITH_STATUS = (
    "DataplaneInsight",
    "MeshExternalService",
    "MeshIdentity",
    "MeshMultiZoneService",
    "MeshService",
    "MeshTrust",
    "Workload",
)

WITH = {
    "single/dataplane-overview-offline": ("kinds/Dataplane",),
    "single/filter-label-unencoded": _PAGES,
    "single/page-offset-beyond": _PAGES,
    "single/page-size-3-offset-3": _PAGES,
    "single/page-size-3": _PAGES,
    "single/page-size-negative": _PAGES,
    "single/legacy-policy-_resources": ("kinds/TrafficPermission", *_DEMO),
    "single/legacy-policy-dataplanes": ("kinds/Mesh", "kinds/TrafficPermission", *_DEMO),
    "single/mesh-delete-with-dataplanes": ("kinds/Mesh", *_DEMO),
    "single/meshexternalservice-_hostnames": ("kinds/MeshExternalService",),
    "single/meshmultizoneservice-_hostnames": ("kinds/MeshMultiZoneService",),
    "single/meshservice-_hostnames": ("kinds/MeshService", "kinds/HostnameGenerator"),
    "single/meshservice-_dataplanes": ("kinds/MeshService", *_DEMO),
    "single/meshservice-_resources-dataplanes": ("kinds/MeshService", *_DEMO),
    "single/meshservice-k8s": ("kinds/MeshService",),
    "single/service-insight-one": _PROXIES,
    "single/service-insight-unknown": _PROXIES,
    "single/service-insights-mesh": _PROXIES,
    "single/service-insights-all": (*_PROXIES, *_DEMO, "kinds/ExternalService"),
    "single/service-insights-type": (*_DEMO, "kinds/ExternalService"),
    "single/service-insight-no-mesh-insight": (),
    "single/policy-dataplanes-legacy": _PROXIES,
    "single/gateway-dataplane-policies": _EVERYTHING,
    "single/dataplane-_layout": _EVERYTHING,
    "single/dataplane-_policies": _EVERYTHING,
    "single/dataplane-_rules": (*_PAGES, *_PROXIES),
    "single/inbound-_policies": _EVERYTHING,
    "single/inbound-_policies-unknown": _EVERYTHING,
    "single/outbound-_policies": _EVERYTHING,
    "single/outbound-_routes": _EVERYTHING,
    "single/outbound-_routes-policies": _EVERYTHING,
    "single/outbound-_routes-svc1": _EVERYTHING,
    "single/meshgateway-_rules": _EVERYTHING,
    "single/meshgateway-dataplanes": ("kinds/MeshGateway", *_DEMO),
    "single/meshgatewayroute-dataplanes": ("kinds/MeshGateway", "kinds/MeshGatewayRoute", *_DEMO),
    "single/dataplane-policies-legacy": (*_PAGES, *_PROXIES),
    "single/dataplane-rules-legacy": (*_PAGES, *_PROXIES),
    "single/dataplane-_config": _CONFIGURED,
    "single/dataplane-_config-shadow-diff": _CONFIGURED,
    "single/dataplane-_layout-not-exclusive": _PROXIES,
    "single/dataplane-_policies-not-exclusive": _PROXIES,
    "single/mesh-insight": (*_PROXIES, *_PAGES, "single/workloads"),
    "single/mesh-insights": (*_PROXIES, *_DEMO, "single/meshes"),
    "single/meshinsight-k8s": _PROXIES,
    "kinds/MeshInsight": _PROXIES,
    "kinds/MeshInsight.k8s": _PROXIES,
    "single/global-insight": (*_PROXIES, *_DEMO, *_ZONE_PROXIES, "kinds/ExternalService", "single/meshes"),
    "global/global-insight-with-zone": (*_ZONE_DATAPLANES, *_ZONES, "global/meshes"),
    "global/mesh-insight-default": _ZONE_DATAPLANES,
    "global/service-insights": _ZONE_DATAPLANES,
    "global/zone-delete-online-400": ("global/zone-overview",),
    "global/dataplane-_rules": ("global/dataplane-overviews", "global/policy-get", "global/policy-get-origin-global"),
    "zone/service-insights": _ZONE_DATAPLANES,
    "zone/secret-update-global-origin": ("zone/secret-get-gs",),
    "zone/update-global-origin-as-zone-400": ("zone/meshtimeouts-list-short",),
    "zone/global-insight": ("zone/zone-overview",),
    "global/global-insight": ("global/zone-overview",),
    "kinds/ServiceInsight": _DEMO,
    "kinds/ServiceInsight.k8s": _DEMO,
    **{f"kinds/{kind}.k8s": (f"kinds/{kind}",) for kind in _WITH_STATUS},
}
"""Recordings whose objects were there, where the answer itself does not show them all."""

_PROXIES_OF_ZONES = "needs connected proxies; the inspection of proxies is tested with real ones"
_NOT_RECORDED = "the objects of that moment were not all recorded"
_CONSOLE = "the console has its own pages"

COUNTED = (
    "single/mesh-insights",
    "single/meshinsight-k8s",
    "single/global-insight",
    "global/global-insight-with-zone",
    "global/mesh-insight-default",
    "kinds/MeshInsight",
    "kinds/MeshInsight.k8s",
)
"""Recordings of insights, whose counts tell how many objects there were, and of which kinds."""

ELSEWHERE = {
    "zone/dataplane-_config": _NOT_RECORDED,
    "*/dataplane-admin-unknown": _PROXIES_OF_ZONES,
    "*/dataplane-clusters*": _PROXIES_OF_ZONES,
    "*/dataplane-stats*": _PROXIES_OF_ZONES,
    "*/dataplane-xds*": _PROXIES_OF_ZONES,
    "*/zone*gress-stats": _PROXIES_OF_ZONES,
    "*/zone*gress-clusters": _PROXIES_OF_ZONES,
    "*/zone*gress-xds": _PROXIES_OF_ZONES,
    "*/gui*": _CONSOLE,
    "single/conflict-409-?": "made by many concurrent requests whose bodies were not recorded; see test_resources.py",
    "*/config": "compared setting by setting below",
    "single/config-anonymous": "compared setting by setting below",
    "single/list-all-meshes": _NOT_RECORDED,
    "single/global-insights": _NOT_RECORDED,
    "single/meshservice-k8s": _NOT_RECORDED,
    "single/zones-after": _NOT_RECORDED,
}
"""Recordings that are not replayed here, by pattern, and why."""

_READABLE = "our text says which field or which place cannot be read"

OTHERWISE = {
    "single/dataplane-constraints-denied": "a broken constraint is 400 with its field, where Kuma fails with 500",
    "single/dataplane-overview-k8s": "an overview has no Kubernetes form; Kuma fails with 500",
    "single/inbound-_policies-unknown": "an unknown inbound is 400, where Kuma fails with 500",
    "single/kri-mesh": "the identifier that an object shows leads to it on a lone zone, too",
    "single/legacy-policy-bad-type": _READABLE,
    "single/put-mesh-invalid-field-type": _READABLE,
    "single/put-mesh-yaml-as-json": _READABLE,
    "single/secret-bad-base64": _READABLE,
    "single/page-size-negative": "a negative size is refused",
    "single/page-size-zero": "a list is always ordered",
    "single/policy-dash-resources-404": "served, because Kuma's own command line asks for it",
    "global/resources": "readOnly says what a write would meet",
    "zone/resources": "readOnly says what a write would meet",
    "zone/service-insights": "computed here and not synced, so no label says global",
    "config/basepath-tokens-user2": "tokens of users are served below the base path, too",
    "config/cors-preflight-DELETE": "a preflight of an allowed origin is answered",
    "config/cors-preflight-GET": "a preflight of an allowed origin is answered",
}
"""Recordings that we answer otherwise on purpose, and how."""

_PORT = "the recorded zone shared its host with the recorded global"
_HOST = "differs from host to host"

CONFIGURED = {
    "store.type": "our default is durable",
    "general.workDir": _HOST,
    "interCp.catalog.instanceAddress": _HOST,
    "multizone.zone.globalAddress": _HOST,
    "multizone.zone.kds.tlsSkipVerify": _HOST,
    "bootstrapServer.params.xdsPort": _PORT,
    "monitoringAssignmentServer.port": _PORT,
    "apiServer.http.port": _PORT,
    "apiServer.https.port": _PORT,
    "runtime.kubernetes.admissionServer.port": _PORT,
    "diagnostics.serverPort": _PORT,
    "dpServer.port": _PORT,
    "interCp.server.port": _PORT,
}
"""Settings that we show otherwise, and why."""
