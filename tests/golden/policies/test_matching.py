"""Which policies select a proxy, and the rules that follow for its clients, destinations and gateway listeners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.golden.policies.recorded import (
    REGISTRY,
    expected_effective,
    expected_items,
    expected_rules,
    folder,
    found_effective,
    found_items,
    found_rules,
    golden,
    name_of,
    policies_of,
    resource_of,
    resources,
)
from ursa.api.proxies.subjects import subject_of
from ursa.model.kri import kri_of
from ursa.model.resource import Resource
from ursa.policies.core.entries import client_entries, source_entries
from ursa.policies.core.matching import Matched, destination_rules, match_policies
from ursa.policies.core.policy import Policy
from ursa.policies.core.precedence import by_precedence
from ursa.policies.core.references import DESTINATION_KINDS
from ursa.policies.core.resource_rules import resource_rules
from ursa.policies.core.subject import Subject, external_service_subject, pairs
from ursa.policies.core.subsets import compile_subsets
from ursa.store.contract import Contents
from ursa.view.view import View

MATCHERS = "policy-matchers"
ROUTE = "MeshHTTPRoute"
GATEWAY = {"gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge-gateway"}}, "address": "127.0.0.1"}
NOT_PUBLISHED = {
    "policies_from_different_zones": {
        "type": "Dataplane",
        "mesh": "mesh-1",
        "name": "gateway-1",
        "labels": {"kuma.io/origin": "zone", "kuma.io/zone": "zone-1"},
        "networking": GATEWAY,
    }
}
"""Proxies of recorded cases that came without; the recorded answers tell what they must have been."""


def cases(group: str) -> list[Path]:
    return sorted(folder(f"{MATCHERS}/{group}").glob("*.golden.yaml"))


def beside(case: Path, what: str) -> Path:
    return case.with_name(case.name.replace(".golden.", f".{what}."))


def proxy_of(case: Path) -> Resource:
    file = beside(case, "dataplane")
    if file.exists():
        (found,) = resources(file)
        return found
    return resource_of(NOT_PUBLISHED[case.name.partition(".")[0]])


class Case:
    """A proxy with all policies of its mesh; those that a case is about are the ones that are not only referred to."""

    def __init__(self, file: Path) -> None:
        proxy = proxy_of(file)
        # Some recordings put proxy and policies into different meshes, which only works where nobody looks at it.
        around = [replace(r, mesh=proxy.mesh) for r in resources(beside(file, "policies"))]
        around += [service for other in sorted(file.parent.glob("*.mes.yaml")) for service in resources(other)]
        self.around = around
        gateways = tuple(r for r in around if r.kind == "MeshGateway")
        view, _ = View().catch_up(Contents(1, tuple(replace(r, version=1) for r in gateways)))
        self.subject: Subject = subject_of(proxy, view)
        self.policies: list[Policy] = policies_of(around)
        self.routes = [policy for policy in self.policies if policy.kind == ROUTE]
        about = [p for p in self.policies if p.kind != ROUTE] or self.policies
        self.matched: Matched = match_policies(by_precedence(about), self.subject, self.routes)

    def destinations(self) -> Iterable[Resource]:
        return [r for r in self.around if r.kind in DESTINATION_KINDS]


@pytest.mark.parametrize("file", cases("matchedpolicies/dataplanepolicies"), ids=lambda file: file.stem)
def test_policies_of_a_proxy_come_in_the_order_of_their_precedence(file: Path) -> None:
    found = [policy.resource.name for policy, _ in Case(file).matched.entries]
    assert found == [name_of(item) for item in golden(file)["items"]]


@pytest.mark.parametrize(
    "file",
    cases("matchedpolicies/torules") + cases("matchedpolicies/meshexternalservice"),
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_rules_for_destinations(file: Path) -> None:
    case, recorded = Case(file), golden(file)
    outbound = case.matched.outbound
    assert found_rules(destination_rules(outbound, case.routes).rules) == expected_rules(recorded["Rules"])
    found = {
        kri_of(rule.resource, REGISTRY[rule.resource.kind], rule.section): found_effective(rule.effective)
        for rule in resource_rules(outbound, case.destinations(), mesh=None)
    }
    assert found == {kri: expected_effective(rule) for kri, rule in recorded["ResourceRules"].items()}


@pytest.mark.parametrize("file", cases("matchedpolicies/meshgateways"), ids=lambda file: file.stem)
def test_rules_for_listeners_of_gateways(file: Path) -> None:
    case, recorded = Case(file), golden(file)
    for position, listener in enumerate(case.subject.listeners):
        policies, key = case.matched.on_listener(position), f"127.0.0.1:{listener.port}"
        from_rules = found_rules(compile_subsets(client_entries(policies)).rules)
        assert from_rules == expected_rules(recorded["FromRules"][key])
        assert found_items(policies) == expected_items(recorded["InboundRules"][key])
        to_rules = recorded["ToRules"]["ByListener"][key]["Rules"]
        assert found_rules(destination_rules(policies).rules) == expected_rules(to_rules)
        # Kuma leaves the policies of a host name in the order of its store; ours are in the same order everywhere.
        by_hostname = recorded["ToRules"]["ByListenerAndHostname"][f"{key}:{listener.hostname or '*'}"]["Rules"]
        assert sources(found_rules(destination_rules(policies).rules)) == sources(expected_rules(by_hostname))


def sources(rules: Any) -> list[tuple[frozenset[Any], set[str]]]:
    """Under which conditions which policies count."""
    return [(conditions, set(names)) for _, conditions, names in rules]


@pytest.mark.parametrize("file", cases("egressmatchedpolicies/fromrules"), ids=lambda file: file.stem)
def test_rules_for_clients_of_external_services(file: Path) -> None:
    (service,) = resources(beside(file, "es"))
    policies = by_precedence(policies_of(resources(beside(file, "policies"))))
    matched = match_policies(policies, external_service_subject(service)).on_inbound(0)
    assert found_rules(compile_subsets(client_entries(matched)).rules) == expected_rules(golden(file)["Rules"][":0"])


@pytest.mark.parametrize("file", cases("egressmatchedpolicies/torules"), ids=lambda file: file.stem)
def test_rules_for_external_services_by_client(file: Path) -> None:
    (service,) = resources(beside(file, "es"))
    policies = by_precedence(policies_of(resources(beside(file, "policies"))))
    entries = source_entries(policies, pairs(service.spec["tags"]))
    assert found_rules(compile_subsets(entries).rules) == expected_rules(golden(file)["Rules"][":0"])
