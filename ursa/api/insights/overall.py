"""Counts over everything: what the first page of a console shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ursa.admission.deletion import is_online
from ursa.api.insights.meshes import MeshInsights
from ursa.api.insights.services import ServiceInsights
from ursa.api.insights.sight import unseen_zone_of
from ursa.model.kind import Family, Registry, Scope
from ursa.view.view import View

_STATES = ("online", "offline", "partiallyDegraded", "total")
_SORTS = ("standard", "gatewayBuiltin", "gatewayDelegated")
_SERVICE_SORTS = {"internal": "internal", "gateway_builtin": "gatewayBuiltin", "gateway_delegated": "gatewayDelegated"}
_SERVICE_STATES = {"online": "online", "offline": "offline", "partially_degraded": "partiallyDegraded"}


def overall(view: View, meshes: MeshInsights, services: ServiceInsights, unseen: frozenset[str]) -> dict[str, Any]:
    """The members of `/global-insight` without its time."""
    insights = meshes.list(view)
    resources: Counter[str] = Counter()
    policies = 0
    proxies = {sort: dict.fromkeys(_STATES, 0) for sort in _SORTS}
    for insight in insights:
        for kind, count in insight.spec["resources"].items():
            resources[kind] += count["total"]
        policies += sum(count["total"] for count in insight.spec["policies"].values())
        for sort in _SORTS:
            for state, count in insight.spec["dataplanesByType"][sort].items():
                proxies[sort][state] = proxies[sort].get(state, 0) + count
    return {
        "dataplanes": proxies,
        "meshes": {"total": len(insights)},
        "policies": {"total": policies},
        "resources": {kind: {"total": resources[kind]} for kind in sorted(resources)},
        "services": _services(view, services),
        "zones": {
            "controlPlanes": _online(view, "ZoneInsight", unseen),
            "zoneEgresses": _online(view, "ZoneEgressInsight", unseen),
            "zoneIngresses": _online(view, "ZoneIngressInsight", unseen),
        },
    }


def global_scope_totals(view: View, registry: Registry) -> dict[str, Any]:
    """How many objects of each kind stand outside meshes; the control plane's own objects do not count."""
    hidden = (Family.INSIGHT, Family.INTERNAL)
    names = sorted(k.name for k in registry if k.scope is Scope.GLOBAL and k.family not in hidden)
    return {name: {"total": count} for name in names if (count := view.count(name))}


def _services(view: View, services: ServiceInsights) -> dict[str, Any]:
    found: dict[str, Any] = {sort: dict.fromkeys(_STATES, 0) for sort in _SERVICE_SORTS.values()}
    external = 0
    for insight in services.list(view):
        kind = insight.spec.get("serviceType", "internal")
        if kind == "external":
            external += 1
            continue
        counts = found[_SERVICE_SORTS[kind]]
        counts["total"] += 1
        counts[_SERVICE_STATES[insight.spec["status"]]] += 1
    return {**found, "external": {"total": external}}


def _online(view: View, kind: str, unseen: frozenset[str]) -> dict[str, int]:
    insights = view.list(kind)
    online = [insight for insight in insights if is_online(insight) and not unseen_zone_of(insight, unseen)]
    return {"online": len(online), "total": len(insights)}
