"""`_rules`: everything that targetRef policies say about a proxy or a MeshGateway, merged, with the origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.matched import KindMatch, http_routes, matches
from ursa.api.proxies.rule_documents import Document, RuleDocuments, meta
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
from ursa.policies.core.policy import Policy, effective_default
from ursa.policies.core.references import DESTINATION_KINDS
from ursa.policies.core.resource_rules import resource_rules
from ursa.policies.core.subject import Subject
from ursa.policies.core.subsets import compile_subsets
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
        documents = RuleDocuments(with_sources="sources" in request.query.getall("include", []))
        rules = [_rules(match, subject, view, routes, documents) for match in found]
        if is_dataplane:
            self._warn(rules, resource)
        return answer({"resource": meta(resource), "httpMatches": _http_matches(found), "rules": rules})

    def _warn(self, rules: Iterable[Document], resource: Resource) -> None:
        """Says of which policies the proxy makes no use."""
        dataplane = parse_dataplane(resource)
        insight = self._context.view.get("DataplaneInsight", resource.mesh, resource.name)
        metadata: JsonObject = {} if insight is None else insight.spec.get("metadata") or {}
        redirected = dataplane.transparent is not None or TPROXY_IN_METADATA in metadata.get("features", ())
        for rule in rules:
            if rule["type"] == PASSTHROUGH:
                rule["warnings"] += unsupported(builtin_gateway=dataplane.builtin_gateway, redirected=redirected)


def _rules(
    match: KindMatch, subject: Subject, view: View, routes: Sequence[Policy], documents: RuleDocuments
) -> Document:
    owner = view.get("Mesh", "", subject.mesh)
    exclusive = owner is not None and parse_mesh(owner).exclusive
    outbound = match.matched.outbound
    to_resources = resource_rules(outbound, _resources(view, subject.mesh), owner)
    found: Document = {
        "type": match.kind.name,
        "toRules": [] if exclusive else documents.of_subsets(destination_rules(outbound, routes).rules),
        "toResourceRules": [documents.of_resource(rule) for rule in to_resources],
        "fromRules": [],
        "inboundRules": [],
        "warnings": [],
    }
    for inbound, policies in _ways_in(match, subject):
        if entries := client_entries(policies):
            rules = documents.of_subsets(compile_subsets(entries).rules)
            found["fromRules"].append({"inbound": inbound, "rules": rules})
        if items := [documents.of_item(policy, item) for policy in policies for item in policy.inbound_items]:
            found["inboundRules"].append({"inbound": inbound, "rules": items})
    if (merged := effective_default(match.policies)) is not None:
        found["proxyRule"] = documents.of_proxy(merged)
    return found


def _ways_in(match: KindMatch, subject: Subject) -> Iterator[tuple[Document, tuple[Policy, ...]]]:
    """Inbounds, or listeners of a gateway, with the policies that select them."""
    for position, inbound in enumerate(subject.inbounds):
        named = {"name": inbound.name} if inbound.name else {}
        yield {**named, "port": inbound.port, "tags": dict(inbound.tags)}, match.matched.on_inbound(position)
    for position, listener in enumerate(subject.listeners):
        yield {"port": listener.port, "tags": dict(subject.gateway_tags)}, match.matched.on_listener(position)


def _resources(view: View, mesh: str) -> Iterator[Resource]:
    for kind in DESTINATION_KINDS:
        yield from view.list(kind, mesh)


def _http_matches(found: Iterable[KindMatch]) -> list[Document]:
    """The matches of routes under the hashes by which rules refer to them."""
    routes = (policy for match in found for policy in match.policies if policy.item_conf is ItemConf.ROUTES)
    items = (item for policy in routes for item in policy.to_items)
    seen = {digest: rule.get("matches") for item in items for digest, rule in rules_by_hash(item.conf).items()}
    return [{"hash": digest, "match": seen[digest]} for digest in sorted(seen)]
