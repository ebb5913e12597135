"""Rules of MeshLoadBalancingStrategy's confs: hash policies, balancers, localities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.policies.core.checks import must_be_defined, must_not_be_empty, number_of, positive
from ursa.policies.core.target_ref import MESH_HTTP_ROUTE, MESH_SERVICE

_HASH_BODIES = {
    "Header": "header",
    "Cookie": "cookie",
    "Connection": "connection",
    "QueryParameter": "queryParameter",
    "FilterState": "filterState",
}
_ONLY_HASHES = f"field is not allowed when targetRef.kind is {MESH_HTTP_ROUTE}, only hashPolicies is supported"
_HASHING = ("ringHash", "maglev")
"""Balancers that may hold hash policies of their own, which is the older place for them."""


def check_destination(field: str, item: JsonObject) -> Iterator[Violation]:
    """Checks the conf of one item of `to`."""
    target, conf = item.get("targetRef") or {}, item.get("default") or {}
    field = f"{field}.default"
    if target.get("kind") == MESH_HTTP_ROUTE:
        for name in ("loadBalancer", "localityAwareness"):
            if name in conf:
                yield Violation(f"{field}.{name}", _ONLY_HASHES)
    yield from _check_hash_policies(f"{field}.hashPolicies", conf.get("hashPolicies") or ())
    yield from _check_balancer(field, conf)
    locality = conf.get("localityAwareness") or {}
    yield from _check_affinity(f"{field}.localityAwareness.localZone.affinityTags", locality.get("localZone") or {})
    cross_zone = locality.get("crossZone")
    if cross_zone is not None:
        yield from _check_cross_zone(f"{field}.localityAwareness.crossZone", cross_zone, target)


def hash_policies(conf: JsonObject) -> Iterator[tuple[str, Sequence[JsonObject]]]:
    """Every list of hash policies in a conf and where it stands there, the root's first."""
    if "hashPolicies" in conf:
        yield "hashPolicies", conf["hashPolicies"]
    balancer = conf.get("loadBalancer") or {}
    for name in _HASHING:
        section = balancer.get(name) or {}
        if "hashPolicies" in section:
            yield f"loadBalancer.{name}.hashPolicies", section["hashPolicies"]


def _check_balancer(field: str, conf: JsonObject) -> Iterator[Violation]:
    balancer = conf.get("loadBalancer") or {}
    for place, policies in hash_policies(conf):
        if place == "hashPolicies":
            continue
        if "hashPolicies" in conf:
            yield Violation(f"{field}.{place}", "hashPolicies already specified in the root level")
        yield from _check_hash_policies(f"{field}.{place}", policies)
    bias = (balancer.get("leastRequest") or {}).get("activeRequestBias")
    if bias is None:
        return
    number, place = number_of(bias), f"{field}.loadBalancer.leastRequest.activeRequestBias"
    if number is None:
        yield Violation(place, "string must be a valid number")
    elif number < 0:
        yield Violation(place, "must be greater or equal then: 0")


def _check_hash_policies(field: str, policies: Sequence[JsonObject]) -> Iterator[Violation]:
    for index, policy in enumerate(policies):
        name = _HASH_BODIES.get(policy["type"])
        if name is not None and name not in policy:
            yield must_be_defined(f"{field}[{index}].{name}")
        path = (policy.get("cookie") or {}).get("path", "")
        if name == "cookie" and path and not path.startswith("/"):
            yield Violation(f"{field}[{index}].cookie.path", "must be an absolute path")


def _check_affinity(field: str, local_zone: JsonObject) -> Iterator[Violation]:
    tags: Sequence[JsonObject] = local_zone.get("affinityTags") or ()
    for index, tag in enumerate(tags):
        if not tag["key"]:
            yield must_not_be_empty(f"{field}[{index}].key")
        yield from positive(f"{field}[{index}].weight", tag.get("weight"))
    if 0 < sum("weight" in tag for tag in tags) < len(tags):
        yield Violation(field, "all or none affinity tags should have weight")


def _check_cross_zone(field: str, cross_zone: JsonObject, target: JsonObject) -> Iterator[Violation]:
    if target.get("kind") == MESH_SERVICE and (target.get("sectionName") or target.get("labels")):
        yield Violation(field, "must not be set: MeshService traffic is local")
        return
    for index, rule in enumerate(cross_zone.get("failover") or ()):
        yield from _check_failover(f"{field}.failover[{index}]", rule)
    threshold = cross_zone.get("failoverThreshold")
    if threshold is None:
        return
    number, place = number_of(threshold["percentage"]), f"{field}.failoverThreshold.percentage"
    if number is None:
        yield Violation(place, "string must be a valid number")
    elif number <= 0:
        yield Violation(place, "must be greater than 0")


def _check_failover(field: str, rule: JsonObject) -> Iterator[Violation]:
    source, target = rule.get("from"), rule["to"]
    if source is not None:
        if not source["zones"]:
            yield must_not_be_empty(f"{field}.from.zones")
        yield from _check_zones(f"{field}.from.zones", source["zones"])
    kind, zones = target["type"], target.get("zones") or ()
    if kind in ("Any", "None") and zones:
        yield Violation(f"{field}.to.zones", f"must be empty when type is {kind}")
    if kind in ("Only", "AnyExcept"):
        if not zones:
            yield Violation(f"{field}.to.zones", f"must not be empty when type is {kind}")
        yield from _check_zones(f"{field}.to.zones", zones)


def _check_zones(field: str, zones: Sequence[str]) -> Iterator[Violation]:
    for index, zone in enumerate(zones):
        if not zone:
            yield must_not_be_empty(f"{field}[{index}]")
