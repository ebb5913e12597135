"""Which services a proxy needs when nobody says: those that some permission may let it in to.

A mesh of thousands of services in which each calls a few is then a few outbounds for each. It is switched on for a zone
(`experimental.autoReachableServices`), and counts only for proxies that list nothing themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ursa.model.dataplane import Dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, RealService
from ursa.planner.meshes import MeshState
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import Tags
from ursa.policies.legacy.matching import ConnectionPolicy
from ursa.policies.legacy.traffic_permission import KIND as TRAFFIC_PERMISSION
from ursa.policies.legacy.traffic_permission import may_permit
from ursa.policies.mesh_traffic_permission.effect import KIND as MESH_TRAFFIC_PERMISSION
from ursa.policies.mesh_traffic_permission.reach import judge

Pairs = tuple[tuple[str, str], ...]


class Reach:
    """What one sort of client may be let in to; remembers what it was asked."""

    def __init__(
        self, mesh: str, dataplane: Dataplane, newer: Sequence[Policy], older: Sequence[ConnectionPolicy]
    ) -> None:
        self._newer, self._older, self._tag_sets = newer, older, dataplane.tag_sets
        self._tags: Tags = frozenset(pair for tags in dataplane.tag_sets for pair in tags.items())
        self._identities = tuple(f"spiffe://{mesh}/{service}" for service in dataplane.services)
        self._mesh_prefix = f"spiffe://{mesh}/"
        self._known: dict[Pairs, bool] = {}

    def tags(self, tags: Pairs) -> bool:
        """Whether the client may be let in to instances with these tags."""
        if tags not in self._known:
            self._known[tags] = self._judge(dict(tags))
        return self._known[tags]

    def service(self, service: RealService) -> bool:
        """Whether it may be let in to a real service; nobody knows it of those outside of the mesh."""
        if service.kind == MESH_EXTERNAL_SERVICE:
            return True
        named = [one.removeprefix(self._mesh_prefix) for one in service.identities if one.startswith(self._mesh_prefix)]
        if len(named) < len(service.identities) or not named:
            return self.tags(())
        return any(self.tags(((SERVICE_TAG, name),)) for name in named)

    def _judge(self, destination: Mapping[str, str]) -> bool:
        verdict = judge(self._newer, self._tags, self._identities, destination)
        if verdict.permitted or verdict.certain:
            return verdict.permitted
        return may_permit(self._older, self._tag_sets, destination)


class AutoReach:
    """The reach of the clients of a zone, found out once for those that are alike."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[MeshState, dict[tuple[Pairs, ...], Reach]]] = {}

    def of(self, state: MeshState, dataplane: Dataplane) -> Reach | None:
        """What a proxy may be let in to; None where it is not up to permissions, or the proxy says what it needs."""
        transparent = dataplane.transparent
        listed = transparent is not None and (
            transparent.reachable_services or transparent.reachable_backends is not None
        )
        backend = state.mesh.backend
        if listed or backend is None or backend.permissive:
            return None
        known = self._known.get(state.mesh.name)
        if known is None or known[0] is not state:
            known = self._known[state.mesh.name] = (state, {})
        alike = tuple(tuple(sorted(tags.items())) for tags in dataplane.tag_sets)
        if alike not in known[1]:
            newer, older = state.policies[MESH_TRAFFIC_PERMISSION], state.legacy.get(TRAFFIC_PERMISSION, ())
            counting = tuple(policy for policy in newer if not policy.shadow)
            known[1][alike] = Reach(state.mesh.name, dataplane, counting, older)
        return known[1][alike]
