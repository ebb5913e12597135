"""Reads the recorded cases of matching and merging, and brings what they hold into a form that can be compared.

The cases show internals of Kuma under its own field names; what is compared is their meaning: confs, the conditions
under which they hold, and the policies (and items) that they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ursa.catalog import default_registry
from ursa.model.documents import load_documents
from ursa.model.forms import from_rest
from ursa.model.resource import Resource
from ursa.model.schema import canonical, with_defaults
from ursa.policies.core.policy import Effective, Item, Origin, Policy, parse_policy
from ursa.policies.core.subsets import SubsetRule
from ursa.testing import shared_folder

REGISTRY = default_registry()

Rule = tuple[Any, frozenset[tuple[str, str, bool]], list[str]]
"""A conf, the conditions on tags, and the names of the policies behind it."""


def folder(name: str) -> Path:
    """The folder of a group of cases, one that does not exist where the recordings are absent."""
    shared = shared_folder()
    return Path("absent") if shared is None else shared / "conformance" / name


def golden(file: Path) -> Any:
    """A recorded answer."""
    return yaml.safe_load(file.read_text())


def resources(file: Path) -> list[Resource]:
    """The resources in a file, in its order, as they would be stored."""
    return [resource_of(document) for document in load_documents(file.read_text())]


def resource_of(document: dict[str, Any]) -> Resource:
    """A resource as it would be stored: with the defaults of its schema, in canonical form."""
    schema = REGISTRY[document["type"]].schema
    if schema is not None:
        spec = canonical(with_defaults(document["spec"], schema), schema)
        document = {"mesh": "default", **document, "spec": spec}
    return from_rest(document, REGISTRY)


def policies_of(found: Iterable[Resource]) -> list[Policy]:
    """Those of the resources that are targetRef policies."""
    return [parse_policy(r, REGISTRY[r.kind]) for r in found if REGISTRY[r.kind].policy is not None]


def name_of(meta: dict[str, Any]) -> str:
    """The name of a policy, whichever way the recording spells it."""
    return str(meta.get("name") or meta["Name"])


def expected_rules(recorded: Sequence[dict[str, Any]] | None) -> list[Rule]:
    """Recorded rules over tags."""
    return [
        (
            rule["Conf"],
            frozenset((tag["Key"], tag["Value"], tag["Not"]) for tag in rule["Subset"]),
            [name_of(meta) for meta in rule["Origin"]],
        )
        for rule in recorded or ()
    ]


def found_rules(rules: Iterable[SubsetRule]) -> list[Rule]:
    """Our rules over tags."""
    return [
        (
            conf,
            frozenset(tuple(tag) for tag in rule.subset),
            [policy.resource.name for policy in rule.effective.policies],
        )
        for rule in rules
        for conf in rule.effective.confs
    ]


def expected_items(recorded: Sequence[dict[str, Any]] | None) -> list[tuple[Any, str, int]]:
    """Recorded rules for inbounds: conf, policy, position of the item."""
    return [
        (
            (rule["conf"].get("BaseEntry") or rule["conf"])["default"],
            name_of(rule["origin"]["Resource"]),
            rule["origin"]["RuleIndex"],
        )
        for rule in recorded or ()
    ]


def found_items(policies: Iterable[Policy]) -> list[tuple[Any, str, int]]:
    """Our rules for an inbound."""
    return [_item(policy, item) for policy in policies for item in policy.inbound_items]


def _item(policy: Policy, item: Item) -> tuple[Any, str, int]:
    return item.conf, policy.resource.name, item.index


def expected_effective(recorded: dict[str, Any]) -> tuple[Any, list[tuple[str, int]], dict[str, tuple[str, int]]]:
    """A recorded merged conf with the items it comes from, in all and per match of routes."""

    def item(origin: dict[str, Any]) -> tuple[str, int]:
        return name_of(origin["Resource"]), origin["RuleIndex"]

    by_matches = {digest: item(origin) for digest, origin in recorded["OriginByMatches"].items()}
    return recorded["Conf"], [item(origin) for origin in recorded["Origin"]], by_matches


def found_effective(effective: Effective) -> tuple[Any, list[tuple[str, int]], dict[str, tuple[str, int]]]:
    """Our merged conf in the same form."""

    def item(origin: Origin) -> tuple[str, int]:
        return origin.policy.resource.name, origin.item

    by_matches = {digest: item(origin) for digest, origin in effective.by_matches.items()}
    return list(effective.confs), [item(origin) for origin in effective.origins], by_matches
