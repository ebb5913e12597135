"""Which part of the planner made a resource: what policies and patches select it by (`spec/xds.md` §1.3)."""

from __future__ import annotations

ADMIN = "admin"
TRANSPARENT = "transparent"
INBOUND = "inbound"
OUTBOUND = "outbound"
DIRECT_ACCESS = "direct-access"
DNS = "dns"
SECRETS = "secrets"
INGRESS = "ingress"
EGRESS = "egress"
GATEWAY = "gateway"
DYNAMIC_CONFIG = "dynamic-config"
ACCESS_LOG = "meshaccesslog"
MESH_TRACE = "mesh-trace"
MESH_PASSTHROUGH = "meshpassthrough"
TRACING = "tracing"
PROMETHEUS = "prometheus"
OPEN_TELEMETRY = "open-telemetry"
PROBE = "probe"
MESH_PROXY_PATCH = "mesh-proxy-patch"
TEMPLATE_RAW = "proxy-template-raw"
TEMPLATE_MODIFICATIONS = "proxy-template-modifications"

_SIDECARS_ONLY = frozenset({INBOUND, OUTBOUND, DIRECT_ACCESS, PROBE})


def in_profile(profile: str, origin: str) -> bool:
    """Whether a profile, by which ProxyTemplates name what is generated, has what this part of the planner makes."""
    match profile:
        case "default-proxy":
            return origin != GATEWAY
        case "gateway-proxy":
            return origin not in _SIDECARS_ONLY
        case _:
            # Those of zone proxies: on a Dataplane nothing is left of them but what every proxy has.
            return origin == ADMIN
