"""Everything that real Kuma was recorded to find wrong with documents, found here too, in its words."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.api.conftest import ControlPlane
from ursa.testing import shared_folder

SHARED = shared_folder()
VALIDATION: list[tuple[str, dict[str, Any]]] = (
    [
        (f"{case['type']}:{case['case']}", case)
        for file in ("targetref", "legacy")
        for case in json.loads((SHARED / "reference/validation" / f"{file}.json").read_text())
    ]
    if SHARED is not None
    else []
)


async def test_validation_as_recorded(zone: ControlPlane) -> None:
    """All recorded validations in one run, because each would start a control plane of its own otherwise."""
    differences = []
    _, listed = await zone.get("/_resources")
    kinds = {r["name"]: r for r in listed["resources"]}
    for title, case in VALIDATION:
        if "spec" not in case and "document" not in case:
            continue  # about names, order or deletion: recorded without what was sent
        meshed = kinds[case["type"]]["scope"] == "Mesh"
        name = case.get("name", "x")
        body = {"spec": case["spec"]} if "spec" in case else dict(case.get("document", {}))
        body |= {"type": case["type"], "name": name} | ({"mesh": "default"} if meshed else {})
        path = f"{'/meshes/default' if meshed else ''}/{kinds[case['type']]['path']}/{name}"
        status, answer = await zone.put(path, body)
        if case["status"] < 300:
            if status >= 300:
                differences.append((title, status, answer))
            elif "warnings" in case.get("body", {}) and answer != case["body"]:
                differences.append((title, answer, case["body"]))
            continue
        found = [[v["field"], v["reason"]] for v in answer.get("invalid_parameters", [])]
        # What Kuma notices too late to say (500) is found before it is stored.
        expected = 400 if case["status"] == 500 else case["status"]
        if status != expected or ("violations" in case and sorted(found) != sorted(case["violations"])):
            differences.append((title, found or answer, case.get("violations")))
    assert not differences, "" + "\n".join(map(str, differences[:30]))
