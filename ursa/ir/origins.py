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
TRACING = "tracing"
PROMETHEUS = "prometheus"
