"""`…/rules`: the rules of a proxy in the form that came before `_rules`, one item per rule and place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.legacy import Document, LegacyMesh
from ursa.api.proxies.matched import KindMatch, http_routes, matches
from ursa.api.proxies.subjects import subject_of
from ursa.api.reader import Reader
from ursa.api.resources import name_of
from ursa.model.dataplane import Dataplane, Tags, parse_dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.policies.core.entries import client_entries
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.policy import Effective, effective_default
from ursa.policies.core.subject import pairs
from ursa.policies.core.subsets import Tag, compile_subsets
from ursa.policies.legacy.places import Outward
from ursa.topology.destinations import cluster_name


class OlderRules:
    """The call."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route."""
        yield Endpoint("GET", "/meshes/{mesh}/dataplanes/{name}/rules", self.get, "Could not get MatchedPolicies")

    async def get(self, request: web.Request) -> web.Response:
        """Rules for clients, destinations and the proxy itself; in each part the kinds come from the last name on."""
        mesh = request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        view, registry = self._context.view, self._context.registry
        resource = self._reader.get(registry["Dataplane"], mesh, name_of(request))
        dataplane = parse_dataplane(resource)
        outbounds = LegacyMesh(self._context, mesh, kinds=()).outbounds(dataplane)
        found = sorted(
            matches(view, registry, subject_of(resource, view)), key=lambda match: match.kind.name, reverse=True
        )
        routes = http_routes(view, registry, mesh)
        items = [item for match in found for item in _on_inbounds(match, dataplane)]
        for match in found:
            rules = destination_rules(match.matched.outbound, routes).rules
            for outbound in outbounds:
                tags = {SERVICE_TAG: outbound.service}
                rule = next((rule for rule in rules if rule.fits(pairs(tags))), None)
                if rule is not None:
                    items += _items(match, "DestinationSubset", _where(outbound, tags), rule.subset, rule.effective)
        for match in found:
            if (merged := effective_default(match.policies)) is not None:
                where = {"name": dataplane.name, "addresses": [], "service": "", "tags": {}}
                items += _items(match, "SingleItem", where, (), merged)
        return answer({"total": len(items), "items": items})


def _on_inbounds(match: KindMatch, dataplane: Dataplane) -> Iterator[Document]:
    for position, inbound in enumerate(dataplane.inbounds):
        rules = compile_subsets(client_entries(match.matched.on_inbound(position))).rules
        where = _where(Outward(inbound.address, inbound.port, inbound.service), inbound.tags)
        for rule in rules:
            yield from _items(match, "ClientSubset", where, rule.subset, rule.effective)


def _where(place: Outward, tags: Tags) -> Document:
    address = f"{place.address}:{place.port}"
    name = cluster_name({SERVICE_TAG: place.service, **tags})
    return {"name": name, "addresses": [address], "service": place.service, "tags": dict(tags)}


def _items(
    match: KindMatch, sort: str, where: Document, subset: Sequence[Tag], effective: Effective
) -> Iterator[Document]:
    for conf in effective.confs:
        yield {
            "type": sort,
            **where,
            "policyType": match.kind.name,
            "subset": {tag.key: f"!{tag.value}" if tag.negated else tag.value for tag in subset},
            "conf": conf,
            "origins": [{"mesh": p.resource.mesh, "name": p.resource.name} for p in effective.policies],
        }
