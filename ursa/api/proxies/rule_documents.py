"""Rules as JSON. Asked for `sources`, they also say of every value which item of which policy decided it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.policies.core.policy import Effective, Item, Origin, Policy
from ursa.policies.core.resource_rules import ResourceRule
from ursa.policies.core.sources import sources
from ursa.policies.core.subsets import SubsetRule

Document = dict[str, Any]


class RuleDocuments:
    """Writes rules."""

    def __init__(self, *, with_sources: bool) -> None:
        self._with_sources = with_sources

    def of_subsets(self, rules: Iterable[SubsetRule]) -> list[Document]:
        """Rules for clients or destinations with certain tags."""
        return [
            {
                "conf": conf,
                "matchers": [{"key": t.key, "value": t.value, "not": t.negated} for t in sorted(rule.subset)],
                **self._origins(rule.effective, conf),
            }
            for rule in rules
            for conf in rule.effective.confs
        ]

    def of_resource(self, rule: ResourceRule) -> Document:
        """The rule for a real destination; of several confs each has its sources."""
        found = rule.effective
        told = {"sources": [_sources(found, conf) for conf in found.confs]} if self._with_sources else {}
        return {
            "resourceMeta": meta(rule.resource),
            "resourceSectionName": rule.section,
            "conf": list(found.confs),
            "origin": [_origin(origin) for origin in found.origins],
            **told,
        }

    def of_proxy(self, effective: Effective) -> Document:
        """The rule for the proxy as a whole."""
        return {"conf": effective.conf, **self._origins(effective, effective.conf)}

    def of_item(self, policy: Policy, item: Item) -> Document:
        """A rule for an inbound, which nothing is merged into."""
        return {"conf": [item.conf], "origin": [_origin(Origin(policy, item.index))]}

    def _origins(self, effective: Effective, conf: JsonObject) -> Document:
        told = {"sources": _sources(effective, conf)} if self._with_sources else {}
        return {"origin": [meta(policy.resource) for policy in effective.policies], **told}


def meta(resource: Resource) -> Document:
    """Which resource something is about."""
    return {
        "type": resource.kind,
        "mesh": resource.mesh,
        "name": resource.name,
        "labels": dict(resource.labels),
    }


def _origin(origin: Origin) -> Document:
    return {"resourceMeta": meta(origin.policy.resource), "ruleIndex": origin.item}


def _sources(effective: Effective, conf: JsonObject) -> Document:
    found = sources(effective, conf)
    return {place: [{"kri": o.kri, "ruleIndex": o.item} for o in found[place]] for place in sorted(found)}
