"""What Kuma's API answered to invalid targetRef policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ursa.errors import BadRequest
from ursa.model.resource import Resource
from ursa.model.schema import canonical, violations, with_defaults
from ursa.policies.catalog import policy_kinds
from ursa.testing import shared_folder

KINDS = {kind.name: kind for kind in policy_kinds()}


def recorded() -> list[dict[str, Any]]:
    folder = shared_folder()
    if folder is None:
        return []
    cases: list[dict[str, Any]] = json.loads((folder / "reference" / "validation" / "targetref.json").read_text())
    return cases


@pytest.mark.parametrize("case", recorded(), ids=lambda case: f"{case['type']}:{case['case']}")
def test_answers_like_kuma(case: dict[str, Any]) -> None:
    kind = KINDS[case["type"]]
    expected = [tuple(violation) for violation in case.get("violations") or ()]
    assert kind.schema is not None
    document = with_defaults(case["spec"], kind.schema)
    found = list(violations(document, kind.schema, "spec"))
    if not found:
        try:
            found = list(kind.validate(Resource(kind.name, "default", "x", canonical(document, kind.schema))))
        except BadRequest as error:
            assert json.dumps(str(error)) in case["body"]["detail"]
            return
    assert sorted((violation.field, violation.reason) for violation in found) == sorted(expected)
