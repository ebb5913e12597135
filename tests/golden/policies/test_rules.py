"""Rules that follow from policies which are known to match, in the order given: for clients, destinations, proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.policies.recorded import (
    expected_items,
    expected_rules,
    folder,
    found_items,
    found_rules,
    golden,
    policies_of,
    resources,
)
from ursa.policies.core.entries import client_entries
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.policy import effective_default
from ursa.policies.core.precedence import by_precedence
from ursa.policies.core.subsets import compile_subsets

INBOUND = "127.0.0.1:80"


def cases(group: str) -> list[Path]:
    return sorted(folder(group).glob("*.input.yaml"))


def answer(case: Path) -> Path:
    return case.with_name(case.name.replace(".input.", ".golden."))


@pytest.mark.parametrize("case", cases("policy-rules/from"), ids=lambda case: case.stem)
def test_rules_for_clients(case: Path) -> None:
    recorded, policies = golden(answer(case)), policies_of(resources(case))
    assert found_rules(compile_subsets(client_entries(policies)).rules) == expected_rules(recorded["Rules"][INBOUND])
    assert found_items(policies) == expected_items(recorded["InboundRules"][INBOUND])


@pytest.mark.parametrize("case", cases("policy-rules/to"), ids=lambda case: case.stem)
def test_rules_for_destinations(case: Path) -> None:
    recorded, policies = golden(answer(case)), policies_of(resources(case))
    assert found_rules(destination_rules(tuple(policies)).rules) == expected_rules(recorded["Rules"])
    assert recorded["ResourceRules"] == {}


@pytest.mark.parametrize("case", cases("policy-rules/single"), ids=lambda case: case.stem)
def test_rules_for_the_proxy(case: Path) -> None:
    ((conf, conditions, names),) = expected_rules(golden(answer(case))["Rules"])
    found = effective_default(policies_of(resources(case)))
    assert found is not None
    assert (found.conf, [policy.resource.name for policy in found.policies]) == (conf, names)
    assert conditions == frozenset()


@pytest.mark.parametrize("case", cases("policy-inboundrules/inboundrules"), ids=lambda case: case.stem)
def test_rules_for_inbounds_are_ordered_by_precedence(case: Path) -> None:
    found = found_items(by_precedence(policies_of(resources(case))))
    assert found == expected_items(golden(answer(case))["rules"])
