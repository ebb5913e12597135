"""Insights: what control planes observe. Nobody writes them through the API."""

from __future__ import annotations

from ursa.model.codec import ProtoSpec
from ursa.model.kind import Family, Kind, Scope, Sync


def _insight(name: str, path: str, scope: Scope, module: str, sync: Sync, title: str, *, namespaced: bool) -> Kind:
    return Kind(
        name=name,
        path=path,
        scope=scope,
        codec=ProtoSpec(module, name),
        family=Family.INSIGHT,
        sync=sync,
        singular=title,
        plural=title + "s",
        namespaced=namespaced,
    )


KINDS = (
    _insight("ZoneInsight", "zone-insights", Scope.GLOBAL, "system_pb2", Sync.NONE, "Zone Insight", namespaced=False),
    _insight("MeshInsight", "mesh-insights", Scope.GLOBAL, "mesh_pb2", Sync.NONE, "Mesh Insight", namespaced=False),
    _insight(
        "ServiceInsight", "service-insights", Scope.MESH, "mesh_pb2", Sync.DOWN, "Service Insight", namespaced=False
    ),
    _insight(
        "DataplaneInsight", "dataplane-insights", Scope.MESH, "mesh_pb2", Sync.UP, "Dataplane Insight", namespaced=True
    ),
    _insight(
        "ZoneIngressInsight",
        "zone-ingress-insights",
        Scope.GLOBAL,
        "mesh_pb2",
        Sync.UP,
        "Zone Ingress Insight",
        namespaced=True,
    ),
    _insight(
        "ZoneEgressInsight",
        "zoneegressinsights",
        Scope.GLOBAL,
        "mesh_pb2",
        Sync.UP,
        "Zone Egress Insight",
        namespaced=True,
    ),
)
