"""What `to` items mean together for one port of a real service, or for one route to it: `resource_rules` on demand.

The listing of rules that inspection shows grows with services times items. Plans ask for the few ports they have, so
items are kept by the name they mention, and only those that can mean a service are compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ursa.model.real_service import RealService
from ursa.policies.core.policy import Effective, Item, Policy, effective_items
from ursa.policies.core.precedence import destination_order
from ursa.policies.core.references import means, sections_meant
from ursa.policies.core.target_ref import MESH, MESH_HTTP_ROUTE

_NO_NAME = ""


@dataclass(frozen=True, slots=True)
class RealRules:
    """Compiled items.

    Attributes:
        entries: in ascending strength.
        positions: of the entries that mention a name, by its stem; the empty one stands for no name.
    """

    entries: tuple[tuple[Policy, Item], ...] = ()
    positions: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def lookup(self, service: RealService, section: str, route: Policy | None = None) -> Effective | None:
        """The merged conf for a port that is referred to by this section, None when no item covers it.

        Args:
            service: whose port it is.
            section: how the port is referred to.
            route: the MeshHTTPRoute that leads there, if the conf is for its requests only.
        """
        stems = {_NO_NAME, _stem(service.display_name), _NO_NAME if route is None else _stem(route.display_name)}
        found = sorted(position for stem in stems for position in self.positions.get(stem, ()))
        covering = (self.entries[position] for position in found)
        return effective_items(entry for entry in covering if _covers(*entry, service, section, route))


def compile_real(policies: Sequence[Policy]) -> RealRules:
    """The rules of policies of one kind that select a proxy, in any order."""
    entries = tuple(entry for entry in destination_order(policies) if entry[0].target.kind != MESH_HTTP_ROUTE)
    positions: dict[str, list[int]] = {}
    for position, (_, item) in enumerate(entries):
        positions.setdefault(_stem(item.target.name), []).append(position)
    return RealRules(entries, positions)


def _stem(name: str) -> str:
    """A name up to its first underscore: the tag of a Kubernetes service, `name_namespace_svc_port`, means `name`."""
    return name.partition("_")[0]


def _covers(policy: Policy, item: Item, service: RealService, section: str, route: Policy | None) -> bool:
    target = item.target
    if target.kind == MESH:
        return True
    if target.kind == MESH_HTTP_ROUTE:
        return route is not None and means(policy, target, route.resource)
    return bool({"", section} & sections_meant(policy, target, service))
