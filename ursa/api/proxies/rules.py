"""`_rules`: everything that targetRef policies say about a proxy or a MeshGateway, merged, with the origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.destinations import KINDS, is_named
from ursa.api.proxies.matched import HTTP_ROUTE, KindMatch, http_routes, matches
from ursa.api.proxies.subjects import gateway_subject, subject_of
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.model.dataplane import Inbound, parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.policies.core.entries import client_entries
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.merge import merge_all
from ursa.policies.core.policy import Item, Policy
from ursa.policies.core.precedence import destination_order
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.core.subsets import SubsetRule, compile_subsets
from ursa.view.view import View

Entry = tuple[Policy, Item]


class ProxyRules:
    """The call."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route."""
        path = "/meshes/{mesh}/{path:dataplanes|meshgateways}/{name}/_rules"
        yield Endpoint("GET", path, self.get, "Failed to retrieve Dataplane")

    async def get(self, request: web.Request) -> web.Response:
        """Rules of a Dataplane or a MeshGateway."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        resource = self._reader.get(kind, mesh, name_of(request))
        view, registry = self._context.view, self._context.registry
        is_gateway = kind.name == "MeshGateway"
        subject = gateway_subject(resource) if is_gateway else subject_of(resource, view)
        inbounds = () if is_gateway else parse_dataplane(resource).inbounds
        found = list(matches(view, registry, subject))
        routes = http_routes(view, registry, mesh)
        rules = [_rules(match, inbounds, view, mesh, routes) for match in found]
        return answer({"resource": _meta(resource), "httpMatches": _http_matches(found), "rules": rules})


def _rules(
    match: KindMatch, inbounds: Sequence[Inbound], view: View, mesh: str, routes: Mapping[str, Policy]
) -> dict[str, Any]:
    owner = view.get("Mesh", "", mesh)
    exclusive = owner is not None and parse_mesh(owner).exclusive
    outbound = match.matched.outbound
    found: dict[str, Any] = {
        "type": match.kind.name,
        "toRules": [] if exclusive else _subset_rules(destination_rules(outbound, routes).rules),
        "toResourceRules": list(_resource_rules(outbound, view, mesh)),
        "fromRules": list(_from_rules(match, inbounds)),
        "inboundRules": list(_inbound_rules(match, inbounds)),
        "warnings": [],
    }
    defaults = [policy for policy in match.policies if policy.default is not None]
    if defaults:
        conf = merge_all(policy.default or {} for policy in defaults)
        found["proxyRule"] = {"conf": conf, "origin": [_meta(policy.resource) for policy in defaults]}
    return found


def _subset_rules(rules: Iterable[SubsetRule]) -> list[dict[str, Any]]:
    return [
        {
            "conf": rule.effective.conf,
            "matchers": [{"key": t.key, "value": t.value, "not": t.negated} for t in sorted(rule.subset)],
            "origin": [_meta(policy.resource) for policy in rule.effective.policies],
        }
        for rule in rules
    ]


def _from_rules(match: KindMatch, inbounds: Sequence[Inbound]) -> Iterator[dict[str, Any]]:
    for position, inbound in enumerate(inbounds):
        entries = client_entries(match.matched.on_inbound(position))
        if entries:
            yield {"inbound": _inbound(inbound), "rules": _subset_rules(compile_subsets(entries).rules)}


def _inbound_rules(match: KindMatch, inbounds: Sequence[Inbound]) -> Iterator[dict[str, Any]]:
    for position, inbound in enumerate(inbounds):
        rules = [
            {"conf": [item.conf], "origin": [_origin(policy, item)]}
            for policy in match.matched.on_inbound(position)
            for item in policy.inbound_items
        ]
        if rules:
            yield {"inbound": _inbound(inbound), "rules": rules}


def _resource_rules(policies: tuple[Policy, ...], view: View, mesh: str) -> Iterator[dict[str, Any]]:
    """One rule for the mesh as a whole, then one per service (or port of it) that some item names."""
    entries = [e for e in destination_order(policies) if e[0].target.kind != HTTP_ROUTE]
    general = [entry for entry in entries if entry[1].target.kind == "Mesh"]
    if general:
        yield _resource_rule(general, Resource("Mesh", "", mesh), "")
    for resource in (r for kind in KINDS for r in view.list(kind, mesh)):
        named = [e for e in entries if e[1].target.kind == resource.kind and _names(e[1], resource)]
        for section in sorted({item.target.section for _, item in named}):
            chosen = [e for e in entries if e in general or (e in named and e[1].target.section in ("", section))]
            yield _resource_rule(chosen, resource, section)


def _resource_rule(entries: Sequence[Entry], resource: Resource, section: str) -> dict[str, Any]:
    return {
        "resourceMeta": _meta(resource),
        "resourceSectionName": section,
        "conf": [merge_all(item.conf for _, item in entries)],
        "origin": [_origin(policy, item) for policy, item in entries],
    }


def _names(item: Item, resource: Resource) -> bool:
    return is_named(resource, item.target.name, item.target.labels)


def _http_matches(found: Iterable[KindMatch]) -> list[dict[str, Any]]:
    """The matches of routes under the hashes by which rules refer to them."""
    seen: dict[str, Sequence[JsonObject]] = {}
    for match in found:
        if match.kind.name == HTTP_ROUTE:
            for policy in match.policies:
                for item in policy.to_items:
                    for rule in item.conf.get("rules", ()):
                        seen.setdefault(matches_hash(rule.get("matches", ())), rule.get("matches", ()))
    return [{"hash": digest, "match": seen[digest]} for digest in sorted(seen)]


def _inbound(inbound: Inbound) -> dict[str, Any]:
    named = {"name": inbound.name} if inbound.name else {}
    return {**named, "port": inbound.port, "tags": dict(inbound.tags)}


def _origin(policy: Policy, item: Item) -> dict[str, Any]:
    return {"resourceMeta": _meta(policy.resource), "ruleIndex": item.index}


def _meta(resource: Resource) -> dict[str, Any]:
    return {
        "type": resource.kind,
        "mesh": resource.mesh,
        "name": resource.name,
        "labels": dict(resource.labels),
    }
