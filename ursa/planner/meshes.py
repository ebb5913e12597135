"""Meshes with their policies parsed and in order, kept up to date mesh by mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ursa.model.kind import Family, Kind, Registry
from ursa.model.mesh import Mesh, parse_mesh
from ursa.model.resource import Resource
from ursa.planner.inputs import Settings
from ursa.planner.parsed import Parsed
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.precedence import by_precedence
from ursa.policies.legacy.inbounds import INBOUND_KINDS
from ursa.policies.legacy.matching import ConnectionPolicy, parse_connection_policy
from ursa.policies.legacy.outbounds import OUTBOUND_KINDS
from ursa.policies.legacy.proxy_template import KIND as PROXY_TEMPLATE
from ursa.policies.legacy.traffic_trace import KIND as TRAFFIC_TRACE
from ursa.topology.vips import Vip, config_name, parse_table, table_vips
from ursa.view.view import Bucket, Touched, View

LEGACY_KINDS = (*INBOUND_KINDS, *OUTBOUND_KINDS, "VirtualOutbound", "MeshGatewayRoute", TRAFFIC_TRACE, PROXY_TEMPLATE)

TAGS_HEADER_KINDS = ("RateLimit", "FaultInjection", "MeshFaultInjection")
"""Kinds that tell sources apart by a header; without any of them in the mesh it is not sent."""


@dataclass(frozen=True, slots=True)
class MeshState:
    """A mesh as plans see it.

    Attributes:
        policies: targetRef policies by kind, in ascending strength.
        legacy: source/destination policies by kind.
        vips: virtual addresses of tag services.
        tags_header: whether proxies tell their tags to each other.
    """

    mesh: Mesh
    policies: Mapping[str, tuple[Policy, ...]] = field(default_factory=dict)
    legacy: Mapping[str, tuple[ConnectionPolicy, ...]] = field(default_factory=dict)
    vips: tuple[Vip, ...] = ()
    tags_header: bool = False


class MeshIndex:
    """The state of every mesh."""

    def __init__(self, registry: Registry, kinds: Iterable[str], settings: Settings) -> None:
        """Args: kinds: targetRef kinds whose effect is built."""
        self._registry, self._settings = registry, settings
        self._kinds: Sequence[Kind] = [registry[name] for name in kinds]
        self._states: dict[str, MeshState] = {}
        self._ordered: dict[tuple[str, str], tuple[Bucket, tuple[Policy, ...]]] = {}
        self._mesh = Parsed(parse_mesh)
        self._policy = Parsed(self._parse_policy)
        self._legacy = Parsed(parse_connection_policy)

    @property
    def all(self) -> Mapping[str, MeshState]:
        """All meshes by name."""
        return self._states

    def update(self, view: View, touched: Touched) -> set[str]:
        """Takes over a step of the view; returns the meshes that came, went or changed."""
        for parsed in (self._mesh, self._policy, self._legacy):
            parsed.forget(touched)
        dirty = {mesh for key in touched.keys if (mesh := self._mesh_of(key.kind, key.mesh, key.name))}
        for mesh in dirty:
            resource = view.get("Mesh", "", mesh)
            if resource is None:
                self._states.pop(mesh, None)
                self._ordered = {key: known for key, known in self._ordered.items() if key[1] != mesh}
            else:
                self._states[mesh] = self._state(view, self._mesh(resource))
        return dirty

    def _mesh_of(self, kind: str, mesh: str, name: str) -> str:
        """The mesh whose plans a resource takes part in, empty for none."""
        if kind == "Mesh":
            return name
        if kind == "Config" and name.startswith("kuma-") and name.endswith("-dns-vips"):
            return name.removeprefix("kuma-").removesuffix("-dns-vips")
        family = self._registry[kind].family
        return mesh if family in (Family.TARGETREF_POLICY, Family.LEGACY_POLICY) else ""

    def _state(self, view: View, mesh: Mesh) -> MeshState:
        policies = {kind.name: self._policies(view, kind.name, mesh.name) for kind in self._kinds}
        legacy = {kind: tuple(map(self._legacy, view.list(kind, mesh.name))) for kind in LEGACY_KINDS}
        config = view.get("Config", "", config_name(mesh.name))
        table = parse_table(str(config.spec.get("config", ""))) if config is not None else {}
        return MeshState(
            mesh,
            policies,
            legacy,
            table_vips(table, self._settings.vip_domain, self._settings.vip_port),
            any(view.bucket(kind, mesh.name) for kind in TAGS_HEADER_KINDS),
        )

    def _policies(self, view: View, kind: str, mesh: str) -> tuple[Policy, ...]:
        bucket = view.bucket(kind, mesh)
        known = self._ordered.get((kind, mesh))
        if known is not None and known[0] is bucket:
            return known[1]
        ordered = by_precedence(map(self._policy, bucket.values()))
        self._ordered[kind, mesh] = (bucket, ordered)
        return ordered

    def _parse_policy(self, resource: Resource) -> Policy:
        return parse_policy(resource, self._registry[resource.kind])
