"""Which policies attached to Dataplanes select one: in every place where policy and Dataplane were made or meet."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.golden.policies.deployments import NAMESPACE_OF_ZONE, SYSTEM_NAMESPACE, Place, with_role
from tests.golden.policies.recorded import folder, golden, policies_of, resource_of, resources
from ursa.model.labels import NAMESPACE, POLICY_ROLE
from ursa.model.resource import Resource
from ursa.policies.core.matching import match_policies
from ursa.policies.core.policy import PRODUCER, SYSTEM
from ursa.policies.core.precedence import by_precedence
from ursa.policies.core.subject import dataplane_subject

LONE_ZONE = re.compile(r"(k8s|uni)-zone\.")
BETWEEN_ZONES = re.compile(r"policy-from-(k8s|uni)-to-(k8s|uni)\.")
FROM_GLOBAL = re.compile(r"policy-(?:from-)?global-(k8s|uni)-(?:zone|dpp)-(k8s|uni)-on-(global|zone)\.")

DATAPLANE = {
    "type": "Dataplane",
    "mesh": "mesh-1",
    "name": "dp-1",
    "labels": {NAMESPACE: "kuma-demo"},
    "networking": {
        "address": "1.1.1.1",
        "inbound": [{"port": port, "tags": {"kuma.io/service": "web"}} for port in (8080, 8081)],
    },
}
"""The Dataplane of cases that came without."""


def cases() -> list[Path]:
    return sorted(folder("policy-matchers/matchedpolicies/dataplane-kind").glob("*/*.golden.yaml"))


def dataplane_of(case: Path) -> Resource:
    file = case.with_name(f"{case.name}.dataplane.yaml")
    return resources(file)[0] if file.exists() else resource_of(DATAPLANE)


def policies_for(case: Path) -> list[Resource]:
    """The policies of a case; where they were not published, all that any of its answers shows."""
    file = case.with_name(f"{case.name}.policies.yaml")
    if file.exists():
        return resources(file)
    found: dict[str, dict[str, Any]] = {}
    for answer in sorted(case.glob("*.golden.yaml")):
        for item in golden(answer)["items"]:
            name = item["labels"]["kuma.io/display-name"]
            given = {
                k: v for k, v in item["labels"].items() if k in (NAMESPACE, POLICY_ROLE) and v != NAMESPACE_OF_ZONE
            }
            kept = given if LONE_ZONE.match(answer.name) else {}
            document = {"type": item["type"], "mesh": item["mesh"], "name": name, "spec": item["spec"], "labels": kept}
            previous = found.setdefault(f"{name} {item['spec']['targetRef']}", document)
            previous["labels"] |= kept
    return [resource_of(document) for document in found.values()]


def where_they_meet(answer: Path) -> tuple[list[Resource], Resource]:
    """The policies and the Dataplane as the control plane that matches them sees them."""
    policies, dataplane = policies_for(answer.parent), dataplane_of(answer.parent)
    if places := LONE_ZONE.match(answer.name):
        zone = Place.of("zone", places[1])
        return [zone.makes(policy) for policy in policies], zone.makes(dataplane)
    if places := BETWEEN_ZONES.match(answer.name):
        source, zone = Place.of("zone", places[1]), Place.of("zone", places[2])
        produced = [with_role(source.makes(policy), PRODUCER) for policy in policies]
        return [zone.copies(policy) for policy in produced], zone.makes(dataplane)
    places = FROM_GLOBAL.match(answer.name)
    assert places is not None
    world, zone = Place.of("global", places[1]), Place.of("zone", places[2])
    made = [with_role(world.makes(of_system(policy)), SYSTEM) for policy in policies]
    if places[3] == "global":
        return made, world.copies(zone.makes(dataplane))
    return [zone.copies(policy) for policy in made], zone.makes(dataplane)


def of_system(policy: Resource) -> Resource:
    """The policy in the namespace in which the recordings keep policies of the global."""
    return replace(policy, labels={**policy.labels, NAMESPACE: SYSTEM_NAMESPACE})


@pytest.mark.parametrize("answer", cases(), ids=lambda answer: f"{answer.parent.name}-{answer.stem}")
def test_policies_that_select_the_dataplane(answer: Path) -> None:
    policies, dataplane = where_they_meet(answer)
    matched = match_policies(by_precedence(policies_of(policies)), dataplane_subject(dataplane))
    found = [(policy.kri, policy.resource.spec) for policy, _ in matched.entries]
    assert found == [(item["kri"], item["spec"]) for item in golden(answer)["items"]]
