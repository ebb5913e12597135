"""The reference by which policies say whom they mean: selected proxies, clients or destinations of an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ursa.model.json import JsonObject

MESH = "Mesh"
MESH_SUBSET = "MeshSubset"
MESH_GATEWAY = "MeshGateway"
MESH_SERVICE = "MeshService"
MESH_EXTERNAL_SERVICE = "MeshExternalService"
MESH_MULTI_ZONE_SERVICE = "MeshMultiZoneService"
MESH_SERVICE_SUBSET = "MeshServiceSubset"
MESH_HTTP_ROUTE = "MeshHTTPRoute"
DATAPLANE = "Dataplane"

SIDECAR = "Sidecar"
GATEWAY = "Gateway"

SERVICE_TAG = "kuma.io/service"

STRENGTH: Mapping[str, int] = MappingProxyType(
    {
        kind: rank
        for rank, kind in enumerate(
            (
                MESH,
                DATAPLANE,
                MESH_SUBSET,
                MESH_GATEWAY,
                MESH_SERVICE,
                MESH_EXTERNAL_SERVICE,
                MESH_MULTI_ZONE_SERVICE,
                MESH_SERVICE_SUBSET,
                MESH_HTTP_ROUTE,
            ),
            start=1,
        )
    }
)
"""How strongly a kind of reference counts: the higher one wins. A Dataplane is weaker than a MeshSubset, as in Kuma."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TargetRef:
    """A parsed reference; absent fields are empty."""

    kind: str = MESH
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    namespace: str = ""
    section: str = ""
    proxy_types: tuple[str, ...] = ()

    @property
    def legacy_service(self) -> bool:
        """Whether a reference can mean the services that share a `kuma.io/service` tag, which have no sections.

        One by labels has no name and so means the services without a name: none, but Kuma lists a rule for them.
        """
        return self.kind == MESH_SERVICE


def parse_target_ref(document: JsonObject | None) -> TargetRef:
    """Reads a validated reference; None stands for the whole mesh."""
    if not document:
        return TargetRef()
    return TargetRef(
        kind=document.get("kind", MESH),
        name=document.get("name", ""),
        tags=document.get("tags") or _NOTHING,
        labels=document.get("labels") or _NOTHING,
        namespace=document.get("namespace", ""),
        section=document.get("sectionName", ""),
        proxy_types=tuple(document.get("proxyTypes") or ()),
    )
