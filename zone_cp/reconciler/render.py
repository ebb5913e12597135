"""Plans as sets of serialised resources: the form in which sessions share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ursa.discovery.entry import Entry
from ursa.discovery.snapshot import ResourceSet, entry
from ursa.envoy import types
from ursa.envoy.clusters import cluster_bytes
from ursa.envoy.listeners import listener_bytes
from ursa.envoy.routing import route_config_bytes
from ursa.envoy.runtime import GATEWAY_LAYER, runtime_bytes
from ursa.envoy.secrets import secret_bytes
from ursa.ir import origins
from ursa.ir.plan import EdsReference, ProxyPlan


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Rendered:
    """A plan, or half of one, in bytes; compared by identity.

    Attributes:
        resources: everything that is not shared by other ways, by type.
        origins: the part of the planner that made a resource, by type and name; only where patches may select by it.
        endpoints: for every EDS cluster, whose endpoints it has.
        identities: meshes of which the proxy needs a certificate.
        authorities: meshes whose CA it needs.
        unified: whether those are asked for by names of the unified scheme.
        trusts_all: whether it needs the CAs of all meshes together.
    """

    resources: Mapping[str, ResourceSet]
    origins: Mapping[str, Mapping[str, str]]
    endpoints: Mapping[str, EdsReference]
    identities: frozenset[str]
    authorities: frozenset[str]
    unified: bool
    trusts_all: bool = False


def render(plan: ProxyPlan, chains: Sequence[bytes] = ()) -> Rendered:
    """Serialises clusters and listeners; `chains`, which are serialised, belong to the listener that has none."""
    clusters = ResourceSet.of(entry(types.CLUSTER, name, cluster_bytes(part)) for name, part in plan.clusters.items())
    listeners = ResourceSet.of(
        entry(types.LISTENER, name, listener_bytes(part, () if part.chains else chains))
        for name, part in plan.listeners.items()
    )
    return Rendered(
        {types.CLUSTER: clusters, types.LISTENER: listeners, **_others(plan)},
        {
            types.CLUSTER: {name: part.origin for name, part in plan.clusters.items()},
            types.LISTENER: {name: part.origin for name, part in plan.listeners.items()},
            types.ROUTE: dict.fromkeys(plan.route_configs, origins.GATEWAY),
        },
        plan.endpoints,
        frozenset(plan.identities),
        frozenset(plan.authorities),
        plan.unified,
        plan.trusts_all,
    )


def _others(plan: ProxyPlan) -> Mapping[str, ResourceSet]:
    """What only gateways have."""
    found: dict[str, list[Entry]] = {}
    if routes := plan.route_configs:
        found[types.ROUTE] = [entry(types.ROUTE, name, route_config_bytes(of)) for name, of in routes.items()]
    if plan.certificates:
        secrets = plan.certificates.items()
        found[types.SECRET] = [entry(types.SECRET, name, secret_bytes(of)) for name, of in secrets]
    if plan.runtime is not None:
        found[types.RUNTIME] = [entry(types.RUNTIME, GATEWAY_LAYER, runtime_bytes(plan.runtime))]
    return {type_url: ResourceSet.of(entries) for type_url, entries in found.items()}
