"""What the older inspection calls need of a mesh: its source/destination policies, and the outbounds of sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ursa.api.context import ApiContext
from ursa.model.dataplane import Dataplane
from ursa.model.forms import to_rest
from ursa.model.json import JsonObject
from ursa.model.kind import Family
from ursa.model.resource import Resource
from ursa.policies.legacy.gateways import gateway_of, on_destination, on_gateway, routes_of
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, parse_connection_policy
from ursa.policies.legacy.places import Attached, Outward, Place, Policies, sidecar_places
from ursa.topology.vips import config_name, parse_table, table_vips

GATEWAY, GATEWAY_ROUTE = "MeshGateway", "MeshGatewayRoute"
METRICS_PORT = 5670
_META = ("type", "mesh", "name", "creationTime", "modificationTime", "labels", "kri")

Document = dict[str, Any]


class LegacyMesh:
    """The older generation's view of one mesh."""

    def __init__(self, context: ApiContext, mesh: str, kinds: Iterable[str] | None = None) -> None:
        """Args: kinds: what to look at, everything when None."""
        self._context, self._mesh = context, mesh
        names = [k.name for k in context.registry if k.family is Family.LEGACY_POLICY]
        wanted = set(names if kinds is None else kinds)
        self._policies: Policies = {name: self._parsed(name) for name in names if name in wanted}
        self._gateways, self._routes = self._parsed(GATEWAY), self._parsed(GATEWAY_ROUTE)
        owner = context.view.get("Mesh", "", mesh)
        self._metrics_port = 0 if owner is None else _metrics_port(owner.spec.get("metrics", {}))

    def places(self, dataplane: Dataplane) -> Iterator[tuple[Place, Attached]]:
        """Where on a sidecar policies are attached."""
        return sidecar_places(dataplane, self.outbounds(dataplane), self._metrics_port, self._policies)

    def outbounds(self, dataplane: Dataplane) -> list[Outward]:
        """Outbounds of a sidecar: those it lists, and under redirection one per service of the mesh."""
        listed = [Outward(o.address, o.port, o.service) for o in dataplane.outbounds if o.service]
        transparent = dataplane.transparent
        if transparent is None or not transparent.redirect_port_outbound:
            return listed
        settings = self._context.settings.dns_server
        config = self._context.view.get("Config", "", config_name(self._mesh))
        table = {} if config is None else parse_table(str(config.spec.get("config", "")))
        reachable = transparent.reachable_services
        vips = table_vips(table, settings.domain, settings.service_vip_port)
        return listed + [Outward(v.address, v.port, v.service) for v in vips if not reachable or v.service in reachable]

    def gateway(self, dataplane: Dataplane) -> Document | None:
        """A builtin gateway down to its destinations, with the policies everywhere; None for other proxies."""
        if dataplane.gateway is None or not dataplane.builtin_gateway:
            return None
        tags = dataplane.gateway.tags
        found = gateway_of(self._gateways, tags)
        if found is None:
            return None
        listeners: dict[tuple[int, str], dict[str, list[Document]]] = {}
        for route in routes_of(found.resource, tags, self._routes):
            destinations = [self._destination(tags, destination) for destination in route.destinations]
            hosts = listeners.setdefault((route.port, route.protocol), {})
            hosts.setdefault(route.host, []).append({"route": route.route, "destinations": destinations})
        return {
            "gateway": {"mesh": self._mesh, "name": found.name},
            "listeners": [
                {
                    "port": port,
                    "protocol": protocol,
                    "hosts": [{"hostName": host, "routes": routes} for host, routes in sorted(hosts.items())],
                }
                for (port, protocol), hosts in listeners.items()
            ],
            "policies": self._metas(on_gateway(self._policies, tags)),
        }

    def meta(self, resource: Resource) -> Document:
        """A resource without its spec."""
        document = to_rest(resource, self._context.registry)
        return {key: document[key] for key in _META if key in document}

    def _destination(self, source: Tags, destination: Tags) -> Document:
        policies = self._metas(on_destination(self._policies, source, destination))
        return {"tags": dict(destination), "policies": policies}

    def _metas(self, policies: Mapping[str, ConnectionPolicy]) -> Document:
        return {kind: self.meta(policy.resource) for kind, policy in policies.items()}

    def _parsed(self, kind: str) -> list[ConnectionPolicy]:
        return [parse_connection_policy(resource) for resource in self._context.view.list(kind, self._mesh)]


def _metrics_port(metrics: JsonObject) -> int:
    """The port at which proxies of a mesh show their metrics, 0 when they do not."""
    enabled = metrics.get("enabledBackend")
    backend = next((b for b in metrics.get("backends", ()) if enabled and b.get("name") == enabled), None)
    return 0 if backend is None else int(backend.get("conf", {}).get("port", METRICS_PORT))
