"""`_rules`: everything that targetRef policies say about a proxy or a MeshGateway, merged, with the origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.matched import KindMatch, http_routes, matches
from ursa.api.proxies.subjects import gateway_subject, subject_of
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.model.dataplane import parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.kind import ItemConf
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.policies.core.entries import client_entries
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.merge_routes import rules_by_hash
from ursa.policies.core.policy import Origin, Policy, effective_default
from ursa.policies.core.references import DESTINATION_KINDS
from ursa.policies.core.resource_rules import ResourceRule, resource_rules
from ursa.policies.core.subject import Subject
from ursa.policies.core.subsets import SubsetRule, compile_subsets
from ursa.policies.mesh_passthrough.support import unsupported
from ursa.view.view import View

PASSTHROUGH = "MeshPassthrough"
TPROXY_IN_METADATA = "feature-transparent-proxy-in-dataplane-metadata"


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
        is_dataplane = kind.name == "Dataplane"
        subject = subject_of(resource, view) if is_dataplane else gateway_subject(resource)
        found = list(matches(view, registry, subject))
        routes = http_routes(view, registry, mesh)
        rules = [_rules(match, subject, view, mesh, routes) for match in found]
        if is_dataplane:
            self._warn(rules, resource)
        return answer({"resource": _meta(resource), "httpMatches": _http_matches(found), "rules": rules})

    def _warn(self, rules: Iterable[dict[str, Any]], resource: Resource) -> None:
        """Says of which policies the proxy makes no use."""
        dataplane = parse_dataplane(resource)
        insight = self._context.view.get("DataplaneInsight", resource.mesh, resource.name)
        metadata: JsonObject = {} if insight is None else insight.spec.get("metadata") or {}
        redirected = dataplane.transparent is not None or TPROXY_IN_METADATA in metadata.get("features", ())
        for rule in rules:
            if rule["type"] == PASSTHROUGH:
                rule["warnings"] += unsupported(builtin_gateway=dataplane.builtin_gateway, redirected=redirected)


def _rules(match: KindMatch, subject: Subject, view: View, mesh: str, routes: Sequence[Policy]) -> dict[str, Any]:
    owner = view.get("Mesh", "", mesh)
    exclusive = owner is not None and parse_mesh(owner).exclusive
    outbound = match.matched.outbound
    found: dict[str, Any] = {
        "type": match.kind.name,
        "toRules": [] if exclusive else _subset_rules(destination_rules(outbound, routes).rules),
        "toResourceRules": [_resource_rule(rule) for rule in resource_rules(outbound, _resources(view, mesh), owner)],
        "fromRules": list(_from_rules(match, subject)),
        "inboundRules": list(_inbound_rules(match, subject)),
        "warnings": [],
    }
    merged = effective_default(match.policies)
    if merged is not None:
        found["proxyRule"] = {"conf": merged.conf, "origin": [_meta(policy.resource) for policy in merged.policies]}
    return found


def _subset_rules(rules: Iterable[SubsetRule]) -> list[dict[str, Any]]:
    return [
        {
            "conf": conf,
            "matchers": [{"key": t.key, "value": t.value, "not": t.negated} for t in sorted(rule.subset)],
            "origin": [_meta(policy.resource) for policy in rule.effective.policies],
        }
        for rule in rules
        for conf in rule.effective.confs
    ]


def _from_rules(match: KindMatch, subject: Subject) -> Iterator[dict[str, Any]]:
    for inbound, policies in _ways_in(match, subject):
        entries = client_entries(policies)
        if entries:
            yield {"inbound": inbound, "rules": _subset_rules(compile_subsets(entries).rules)}


def _inbound_rules(match: KindMatch, subject: Subject) -> Iterator[dict[str, Any]]:
    for inbound, policies in _ways_in(match, subject):
        rules = [
            {"conf": [item.conf], "origin": [_origin(Origin(policy, item.index))]}
            for policy in policies
            for item in policy.inbound_items
        ]
        if rules:
            yield {"inbound": inbound, "rules": rules}


def _ways_in(match: KindMatch, subject: Subject) -> Iterator[tuple[dict[str, Any], tuple[Policy, ...]]]:
    """Inbounds, or listeners of a gateway, with the policies that select them."""
    for position, inbound in enumerate(subject.inbounds):
        named = {"name": inbound.name} if inbound.name else {}
        yield {**named, "port": inbound.port, "tags": dict(inbound.tags)}, match.matched.on_inbound(position)
    for position, listener in enumerate(subject.listeners):
        yield {"port": listener.port, "tags": dict(subject.gateway_tags)}, match.matched.on_listener(position)


def _resources(view: View, mesh: str) -> Iterator[Resource]:
    for kind in DESTINATION_KINDS:
        yield from view.list(kind, mesh)


def _resource_rule(rule: ResourceRule) -> dict[str, Any]:
    return {
        "resourceMeta": _meta(rule.resource),
        "resourceSectionName": rule.section,
        "conf": list(rule.effective.confs),
        "origin": [_origin(origin) for origin in rule.effective.origins],
    }


def _http_matches(found: Iterable[KindMatch]) -> list[dict[str, Any]]:
    """The matches of routes under the hashes by which rules refer to them."""
    routes = (policy for match in found for policy in match.policies if policy.item_conf is ItemConf.ROUTES)
    items = (item for policy in routes for item in policy.to_items)
    seen = {digest: rule.get("matches") for item in items for digest, rule in rules_by_hash(item.conf).items()}
    return [{"hash": digest, "match": seen[digest]} for digest in sorted(seen)]


def _origin(origin: Origin) -> dict[str, Any]:
    return {"resourceMeta": _meta(origin.policy.resource), "ruleIndex": origin.item}


def _meta(resource: Resource) -> dict[str, Any]:
    return {
        "type": resource.kind,
        "mesh": resource.mesh,
        "name": resource.name,
        "labels": dict(resource.labels),
    }
