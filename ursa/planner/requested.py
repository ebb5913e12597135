"""Which tags clients may ask a zone proxy for: everything that some route of the mesh can lead to (`xds.md` §6.1).

Zone proxies know connections by SNI alone, and an SNI says all tags that a client asks for. So there is a way for every
tag set that a route, a virtual outbound or a gateway names, whether somebody uses it or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.planner.mesh_routes import tags_led_to
from ursa.planner.meshes import MeshState
from ursa.policies.core.target_ref import MESH_HTTP_ROUTE
from ursa.policies.legacy.matching import ConnectionPolicy, best_rank
from ursa.policies.legacy.traffic_route import KIND as TRAFFIC_ROUTE
from ursa.topology.destinations import sni_of_tags

ANY_SERVICE = "*"

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Requested:
    """What is asked for in one mesh.

    Attributes:
        mesh: its name.
        by_service: tags of routes that name a service, or any.
        virtual: VirtualOutbounds.
    """

    mesh: str
    by_service: Mapping[str, Sequence[Tags]]
    virtual: Sequence[ConnectionPolicy] = ()

    def of(self, service: str, offered: Iterable[Tags]) -> list[Tags]:
        """Every tag set by which clients may ask for a service, in order of the SNIs.

        Args:
            service: value of `kuma.io/service`.
            offered: the tags of its instances.
        """
        by_routes = (*self.by_service.get(service, ()), *self.by_service.get(ANY_SERVICE, ()))
        wanted = (*by_routes, *self._by_virtual_outbounds(offered))
        tag_sets = {tuple(sorted({**tags, SERVICE_TAG: service}.items())) for tags in wanted}
        return sorted((dict(tags) for tags in tag_sets), key=lambda tags: sni_of_tags(tags, self.mesh))

    def _by_virtual_outbounds(self, offered: Iterable[Tags]) -> Iterator[Tags]:
        """For every instance that a VirtualOutbound selects, the tags that are its parameters."""
        for tags in offered if self.virtual else ():
            for policy in self.virtual:
                if best_rank(policy.selectors, (tags,)) is not None:
                    parameters = policy.resource.spec.get("conf", {}).get("parameters", ())
                    keys = [one.get("tagKey") or one.get("name", "") for one in parameters]
                    yield {key: tags[key] for key in keys if key in tags}


def requested_in(state: MeshState) -> Requested:
    """What is asked for in a mesh."""
    by_service: dict[str, list[Tags]] = {}
    for tags in _by_routes(state):
        by_service.setdefault(tags.get(SERVICE_TAG, ""), []).append(tags)
    return Requested(state.mesh.name, by_service, state.legacy.get("VirtualOutbound", ()))


def _by_routes(state: MeshState) -> Iterator[Tags]:
    """What routes of all sorts lead to; any service by its name when there are no TrafficRoutes."""
    older = state.legacy.get(TRAFFIC_ROUTE, ())
    if not older:
        yield {SERVICE_TAG: ANY_SERVICE}
    for route in older:
        yield from _by_traffic_route(route)
    for kind in (MESH_HTTP_ROUTE, "MeshTCPRoute"):
        yield from tags_led_to(state.policies.get(kind, ()))
    for route in state.legacy.get("MeshGatewayRoute", ()):
        yield from _by_gateway_route(route)


def _by_traffic_route(route: ConnectionPolicy) -> Iterator[Tags]:
    conf: JsonObject = route.resource.spec.get("conf", {})
    for part in (conf, *conf.get("http", ())):
        if "destination" in part:
            yield part["destination"]
        yield from (split.get("destination", {}) for split in part.get("split", ()))


def _by_gateway_route(route: ConnectionPolicy) -> Iterator[Tags]:
    conf: JsonObject = route.resource.spec.get("conf", {})
    for protocol in ("http", "tcp"):
        for rule in (conf.get(protocol) or {}).get("rules", ()):
            mirrors = (part["mirror"].get("backend", {}) for part in rule.get("filters", ()) if "mirror" in part)
            yield from (backend.get("destination", {}) for backend in (*rule.get("backends", ()), *mirrors))
