"""What Kuma's API answered to invalid resources: every recorded violation, field and reason, and no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ursa.admission.authorities import backend_violations
from ursa.catalog import default_registry
from ursa.errors import BadRequest, InvalidResource
from ursa.model.forms import from_rest
from ursa.model.resource import Resource
from ursa.testing import shared_folder

REGISTRY = default_registry()


def recorded(file: str) -> list[dict[str, Any]]:
    """The recorded cases that a document alone decides; the others need a store and are asked of the API."""
    folder = shared_folder()
    if folder is None:
        return []
    cases: list[dict[str, Any]] = json.loads((folder / "reference" / "validation" / f"{file}.json").read_text())
    return [case for case in cases if ("spec" in case or "document" in case) and case["status"] != 500]


async def nothing(_kind: str, _mesh: str, _name: str) -> Resource | None:
    """A store in which nothing is."""
    return None


@pytest.mark.parametrize(
    "case", [*recorded("targetref"), *recorded("legacy")], ids=lambda case: f"{case['type']}:{case['case']}"
)
async def test_answers_like_kuma(case: dict[str, Any]) -> None:
    kind = REGISTRY[case["type"]]
    expected = [tuple(violation) for violation in case.get("violations") or ()]
    document = {"spec": case["spec"]} if "spec" in case else dict(case["document"])
    document |= {"type": kind.name, "name": "x"} | ({} if kind.global_scope else {"mesh": "default"})
    try:
        resource = from_rest(document, REGISTRY)
        found = list(kind.validate(resource))
        if kind.name == "Mesh" and not found:
            found += await backend_violations(resource, nothing)
    except BadRequest as error:
        assert str(error) == case["body"]["detail"]
        return
    except InvalidResource as error:
        found = list(error.violations)
    assert sorted((violation.field, violation.reason) for violation in found) == sorted(expected)
