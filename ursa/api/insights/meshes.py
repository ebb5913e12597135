"""MeshInsight: how many proxies, policies and services a mesh has, and how they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ursa.admission.place import Place
from ursa.api.insights.proxies import ProxySort, ProxyStatus, counters, sort_of, status_of, versions_of
from ursa.api.insights.sight import unseen_zones
from ursa.model.kind import Family, Kind, Registry, Scope
from ursa.model.resource import Resource
from ursa.view.view import Bucket, View

_POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)


class MeshInsights:
    """Computes MeshInsights; each is remembered until something in its mesh changes."""

    def __init__(self, registry: Registry, place: Place) -> None:
        self._kinds = [k for k in registry if k.scope is Scope.MESH]
        self._place = place
        self._known: dict[str, tuple[tuple[Bucket, ...], frozenset[str], Resource]] = {}

    def list(self, view: View) -> Sequence[Resource]:
        """The insights of all meshes; a zone below a global has none, its global counts."""
        if self._place.federated:
            return []
        self._known = {mesh: known for mesh, known in self._known.items() if mesh in view.bucket("Mesh", "")}
        return [self._of(view, mesh) for mesh in view.list("Mesh")]

    def get(self, view: View, name: str) -> Resource | None:
        """The insight of one mesh, None when there is none."""
        mesh = view.get("Mesh", "", name)
        return None if mesh is None or self._place.federated else self._of(view, mesh)

    def _of(self, view: View, mesh: Resource) -> Resource:
        buckets = tuple(view.bucket(kind.name, mesh.name) for kind in self._kinds)
        known, unseen = self._known.get(mesh.name), unseen_zones(view, self._place)
        if known is not None and known[1] == unseen and all(a is b for a, b in zip(known[0], buckets, strict=True)):
            return known[2]
        made = compute(view, mesh, self._kinds, unseen)
        self._known[mesh.name] = (buckets, unseen, made)
        return made


def compute(view: View, mesh: Resource, kinds: Iterable[Kind], unseen: frozenset[str]) -> Resource:
    """The MeshInsight of a mesh; of proxies in zones that are not seen nothing is claimed."""
    counted = [k for k in kinds if k.family is not Family.INSIGHT]
    spec = {
        **_proxies(view, mesh.name, unseen),
        "policies": _totals(view, mesh.name, [k.name for k in counted if k.family in _POLICIES]),
        "services": _services(view, mesh.name),
        "resources": _totals(view, mesh.name, [k.name for k in counted]),
    }
    newest = max((r.modified for k in counted for r in view.bucket(k.name, mesh.name).values()), default=mesh.modified)
    return Resource("MeshInsight", "", mesh.name, spec, created=mesh.created, modified=newest)


def _proxies(view: View, mesh: str, unseen: frozenset[str]) -> dict[str, Any]:
    statuses: list[ProxyStatus] = []
    sorts: dict[ProxySort, list[ProxyStatus]] = defaultdict(list)
    launchers: dict[str, list[ProxyStatus]] = defaultdict(list)
    envoys: dict[str, list[ProxyStatus]] = defaultdict(list)
    issued: dict[str, list[ProxyStatus]] = defaultdict(list)
    supported: dict[str, list[ProxyStatus]] = defaultdict(list)
    insights = view.bucket("DataplaneInsight", mesh)
    for name, dataplane in view.bucket("Dataplane", mesh).items():
        insight = insights.get(name)
        status = status_of(dataplane, insight, unseen)
        launcher, envoy = versions_of(insight)
        mtls = insight.spec.get("mTLS", {}) if insight is not None else {}
        statuses.append(status)
        sorts[sort_of(dataplane)].append(status)
        launchers[launcher].append(status)
        envoys[envoy].append(status)
        if mtls.get("issuedBackend"):
            issued[mtls["issuedBackend"]].append(status)
        for backend in mtls.get("supportedBackends", ()):
            supported[backend].append(status)
    gateways = sorts[ProxySort.BUILTIN] + sorts[ProxySort.DELEGATED]
    return {
        "dataplanes": counters(statuses),
        "dpVersions": {k: _each(v) for k, v in (("kumaDp", launchers), ("envoy", envoys)) if v},
        "mTLS": {k: _each(v) for k, v in (("issuedBackends", issued), ("supportedBackends", supported)) if v},
        "dataplanesByType": {
            "standard": counters(sorts[ProxySort.STANDARD]),
            "gateway": counters(gateways),
            "gatewayBuiltin": counters(sorts[ProxySort.BUILTIN]),
            "gatewayDelegated": counters(sorts[ProxySort.DELEGATED]),
        },
    }


def _services(view: View, mesh: str) -> dict[str, int]:
    internal, external = len(view.services(mesh)), len(view.bucket("ExternalService", mesh))
    counts = {"total": internal + external, "internal": internal, "external": external}
    return {name: count for name, count in counts.items() if count}


def _each(groups: dict[str, list[ProxyStatus]]) -> dict[str, Any]:
    return {name: counters(groups[name]) for name in sorted(groups)}


def _totals(view: View, mesh: str, kinds: Iterable[str]) -> dict[str, Any]:
    return {kind: {"total": count} for kind in sorted(kinds) if (count := view.count(kind, mesh))}
