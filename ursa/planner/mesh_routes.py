"""Outbounds by MeshHTTPRoutes and MeshTCPRoutes, whose backends may be services of every sort (`spec/xds.md` §2.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ursa.ir.routes import DirectResponse, Route
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import RealService, ServicePort
from ursa.planner.backends import Backend, RealBackend, backend_name, tag_backend
from ursa.planner.inputs import OutboundInputs
from ursa.planner.routing import Leg, Routing, catch_all, forward, plain_routing
from ursa.policies.core.merge_routes import rules_by_hash
from ursa.policies.core.policy import Effective, Item, Policy
from ursa.policies.core.references import means
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.core.subject import pairs
from ursa.policies.core.target_ref import MESH_SERVICE, MESH_SERVICE_SUBSET, TargetRef, parse_target_ref
from ursa.policies.mesh_http_route.routes import Entry, entries, routes
from ursa.policies.plugin import DestinationRules
from ursa.topology.protocols import HTTP_LIKE

UNUSABLE = DirectResponse(500)
"""The answer to requests for which a rule names backends of which none can be used."""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """The compiled rules of the routes that select a proxy."""

    http: DestinationRules
    tcp: DestinationRules


def leads_to(policies: Iterable[Policy], services: Sequence[RealService]) -> tuple[set[RealService], set[str]]:
    """Everything that routes lead to: real services, and the names of tag services."""
    real, tags = set(), set()
    for policy in policies:
        for ref in _backend_refs(policy):
            target = parse_target_ref(ref)
            if _is_real(target, ref):
                real |= set(_meant(policy, target, services)[:1])
            else:
                tags.add(target.name)
    return real, tags


def tags_led_to(policies: Iterable[Policy]) -> Iterator[Mapping[str, str]]:
    """Tags of all services known by tag that routes lead to; a rule without backends leads where its item says."""
    for policy in policies:
        for item in policy.to_items:
            own = {"kind": item.target.kind, "name": item.target.name, "tags": item.target.tags}
            real = bool(item.target.section or item.target.labels)
            refs = [*_item_refs(item), *(() if real else (own,))]
            for ref in refs:
                target = parse_target_ref(ref)
                if target.name and not _is_real(target, ref):
                    yield {SERVICE_TAG: target.name, **target.tags}


def mesh_routing(backend: Backend, inputs: OutboundInputs, rules: RouteRules) -> Routing:
    """Where the traffic for a destination goes; to itself where no route says otherwise."""
    http, tcp = _effective(backend, rules.http), _effective(backend, rules.tcp)
    if http is not None and (found := _http_routing(_Maker(backend, inputs, http))) is not None:
        return found
    if tcp is not None and (found := _tcp_routing(_Maker(backend, inputs, tcp))) is not None:
        return found
    return plain_routing(backend, inputs)


def _effective(backend: Backend, rules: DestinationRules) -> Effective | None:
    if isinstance(backend, RealBackend):
        return rules.real.lookup(backend.service, backend.section)
    return rules.tag.lookup(pairs({SERVICE_TAG: backend.tags[SERVICE_TAG]}))


def resolve_backend(policy: Policy, ref: JsonObject, inputs: OutboundInputs) -> Backend | None:
    """The backend that a reference of a policy means, None when there is none."""
    target, known = parse_target_ref(ref), inputs.routes
    if _is_real(target, ref):
        service = next(iter(_meant(policy, target, known.services)), None)
        return None if service is None else _port(service, target, int(ref.get("port") or 0))
    facts = next((tag for tag in known.tags if tag.service == target.name), None)
    if facts is None:
        return None
    return tag_backend({SERVICE_TAG: target.name, **target.tags}, facts.protocol, inputs, tls=facts.tls)


@dataclass(slots=True)
class _Maker:
    """What the making of one outbound's routing is about; `backends` grows with all that its routes lead to."""

    backend: Backend
    inputs: OutboundInputs
    effective: Effective
    backends: list[Backend] = field(default_factory=list)

    def legs(self, policy: Policy, refs: Iterable[JsonObject], protocols: frozenset[str] = frozenset()) -> list[Leg]:
        """The shares of the backends that there are, and that speak one of these protocols if some are given."""
        found = []
        for ref in refs:
            backend = resolve_backend(policy, ref, self.inputs)
            weight = int(ref.get("weight", 1))
            if backend is not None and weight and (not protocols or backend.protocol in protocols):
                found.append(Leg(backend, weight))
        return found

    def mirror_to(self, policy: Policy, ref: JsonObject) -> str:
        """Name of the cluster that gets copies of requests."""
        backend = resolve_backend(policy, ref, self.inputs)
        if backend is None:
            return ""
        self.backends.append(backend)
        return backend_name(backend, unified=self.inputs.scheme.unified)


def _http_routing(maker: _Maker) -> Routing | None:
    """Routes by the rules; None when there are none, or when something is led to that does not speak HTTP."""
    conf = next((one for one in maker.effective.confs if "hostnames" not in one), {})
    ordered = entries(conf.get("rules") or ())
    if not ordered:
        return None
    if maker.backend.protocol not in HTTP_LIKE and not all(_all_speak_http(entry, maker) for entry in ordered):
        return None
    made = [route for entry in ordered for route in _routes(entry, maker)]
    if not any(entry.takes_everything for entry in ordered):
        made.append(catch_all(maker.backend, maker.inputs))
        maker.backends.append(maker.backend)
    return Routing(tuple(made), (), tuple(maker.backends))


def _all_speak_http(entry: Entry, maker: _Maker) -> bool:
    refs = backend_refs(entry.rule)
    policy = rule_owner(entry.digest, maker.effective)
    return bool(refs) and len(maker.legs(policy, refs, HTTP_LIKE)) == len(refs)


def _routes(entry: Entry, maker: _Maker) -> Iterator[Route]:
    refs, policy = backend_refs(entry.rule), rule_owner(entry.digest, maker.effective)
    legs = maker.legs(policy, refs, HTTP_LIKE) if refs else [Leg(maker.backend)]
    maker.backends += [leg.backend for leg in legs]
    origin = maker.effective.by_matches[entry.digest].policy
    for route in routes(entry, forward(legs, maker.inputs), lambda ref: maker.mirror_to(policy, ref)):
        if not legs and route.forwards:
            route.action = UNUSABLE
        route.name = entry.digest
        if isinstance(maker.backend, RealBackend):
            route.resource_origin = route.name = origin.kri
            if maker.inputs.scheme.unified:
                route.name += f"rule_{_index(entry.digest, maker.effective)}"
        yield route


def _tcp_routing(maker: _Maker) -> Routing | None:
    refs, policy = backend_refs(maker.effective.conf), tcp_owner(maker.effective)
    legs = maker.legs(policy, refs) if refs else [Leg(maker.backend)]
    return Routing((), tuple(legs), tuple(leg.backend for leg in legs))


def tcp_owner(effective: Effective) -> Policy:
    """The policy that names the backends of a MeshTCPRoute's rule."""
    named = (origin.policy for origin, conf in reversed(effective.parts) if backend_refs(conf))
    return next(named, effective.policies[-1])


def rule_owner(digest: str, effective: Effective) -> Policy:
    """The policy that names the backends of a rule, from whose place their names are read."""
    for origin, conf in reversed(effective.parts):
        if backend_refs(rules_by_hash(conf).get(digest, {})):
            return origin.policy
    return effective.by_matches[digest].policy


def _index(digest: str, effective: Effective) -> int:
    """Position of a rule in the item that it comes from."""
    origin = effective.by_matches[digest]
    conf = next(conf for part, conf in effective.parts if part == origin)
    return next(n for n, rule in enumerate(conf["rules"]) if matches_hash(rule.get("matches") or ()) == digest)


def backend_refs(rule: JsonObject) -> Sequence[JsonObject]:
    """The backends that a rule names."""
    refs: Sequence[JsonObject] = (rule.get("default") or {}).get("backendRefs") or ()
    return refs


def _backend_refs(policy: Policy) -> Iterator[JsonObject]:
    return (ref for item in policy.to_items for ref in _item_refs(item))


def _item_refs(item: Item) -> Iterator[JsonObject]:
    # The items of a MeshTCPRoute have been reduced to their only rule.
    for rule in item.conf.get("rules") or (item.conf,):
        yield from backend_refs(rule)
        for conf in (rule.get("default") or {}).get("filters") or ():
            if "requestMirror" in conf:
                yield conf["requestMirror"]["backendRef"]


def _is_real(target: TargetRef, ref: JsonObject) -> bool:
    """Whether a reference to a backend means a resource; a MeshService without a port is one known by tag."""
    if target.kind == MESH_SERVICE:
        return bool(ref.get("port") or target.section or target.labels)
    return target.kind != MESH_SERVICE_SUBSET


def _meant(policy: Policy, target: TargetRef, services: Iterable[RealService]) -> list[RealService]:
    return [service for service in services if service.kind == target.kind and means(policy, target, service)]


def _port(service: RealService, target: TargetRef, number: int) -> RealBackend | None:
    """The port that a reference names by number or by section; the only one need not be named."""
    port: ServicePort | None
    if number:
        port = service.port(number)
        return None if port is None else RealBackend(service, port, str(number))
    named = [one for one in service.ports if one.section == target.section] if target.section else service.ports
    return RealBackend(service, named[0], named[0].section) if len(named) == 1 else None
