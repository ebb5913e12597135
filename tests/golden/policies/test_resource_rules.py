"""Rules for real destinations, wherever policies and destinations were made and wherever their copies meet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden.policies.deployments import Place
from tests.golden.policies.recorded import (
    REGISTRY,
    expected_effective,
    folder,
    found_effective,
    golden,
    policies_of,
    resource_of,
)
from ursa.model.kri import kri_of
from ursa.model.resource import Resource
from ursa.policies.core.references import DESTINATION_KINDS
from ursa.policies.core.resource_rules import resource_rules

INPUTS: dict[str, list[Any]] = yaml.safe_load(Path(__file__).with_name("resource_rule_inputs.yaml").read_text())
PLACES = re.compile(r"(global|zone)-(k8s|uni)(?:-2-(global|zone)-(k8s|uni))?\.")


def cases() -> list[Path]:
    return sorted(folder("policy-resourcerules").glob("*/*.golden.yaml"))


def inputs(file: Path) -> list[Resource]:
    """The resources of a case, made in one place and, if the case says so, used in another."""
    places = PLACES.match(file.name)
    assert places is not None
    mode, environment, other_mode, other_environment = places.groups()
    made = [Place.of(mode, environment).makes(resource_of({"mesh": "mesh-1", **d})) for d in INPUTS[file.parent.name]]
    if not other_mode:
        return made
    there = Place.of(other_mode, other_environment)
    return [there.copies(resource) for resource in made]


@pytest.mark.parametrize("file", cases(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_rules_for_destinations(file: Path) -> None:
    around = inputs(file)
    policies = [policy for policy in policies_of(around) if policy.display_name.startswith("matched-for-rules")]
    destinations = [resource for resource in around if resource.kind in DESTINATION_KINDS]
    mesh = Resource("Mesh", "", "mesh-1")
    found = {
        kri_of(r.resource, REGISTRY[r.resource.kind], r.section): (r.section, found_effective(r.effective))
        for r in resource_rules(policies, destinations, mesh)
    }
    recorded = golden(file)
    assert found == {kri: (r["ResourceSectionName"], expected_effective(r)) for kri, r in recorded.items()}
