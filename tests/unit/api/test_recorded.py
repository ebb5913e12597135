"""Refusals and small answers of real Kuma, recorded, replayed against a zone of its own: status and body are equal.

Recordings that depend on objects of the recording's own setup are left out by what their answer says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane
from ursa.testing import shared_folder

SHARED = shared_folder()
REFUSALS = (
    "policy-bad-label",
    "policy-mesh-label-mismatch",
    "policy-mesh-mismatch",
    "policy-mesh-not-exist",
    "policy-name-missing",
    "policy-no-mesh",
    "policy-origin-invalid",
    "policy-schema-violation",
    "policy-spec-empty",
    "policy-spec-missing",
    "policy-type-missing",
    "policy-validation-violation",
    "policy-zone-label-mismatch",
    "policy-deprecation-warnings",
    "policy-delete-not-found",
    "policy-inspect-not-found",
    "long-name",
    "name-underscore",
    "name-dot",
    "legacy-schema-no-mesh",
    "dataplane-bad",
    "dataplane-no-inbound",
    "dataplane-workload-label-bad",
    "dataplane-insight-put-405",
    "put-mesh-bad-name",
    "put-mesh-invalid-mtls",
    "put-mesh-long-name",
    "put-mesh-name-mismatch",
    "put-mesh-provided-missing-secret",
    "put-mesh-two-backends",
    "put-mesh-type-mismatch",
    "put-mesh-unknown-ca-type",
    "put-no-content-type",
    "unsupported-media-415",
    "unknown-path-404",
    "unknown-method-405-patch",
    "unknown-method-405-post",
    "head-meshes",
    "options-meshes",
    "not-acceptable-406",
    "encoded-name",
    "versions-404",
    "well-known-404",
    "zones-status-404",
    "metrics-on-api",
    "mesh-not-found",
    "mesh-not-found-sublist",
    "mesh-not-found-sublist-dataplanes",
    "kri-bad-format",
    "kri-bad-shortname",
    "page-offset-bad",
    "page-size-bad",
    "page-size-too-big",
    "filter-advanced",
    "filter-unsupported",
    "policies",
    "whoami-localhost",
    "whoami-proxied-localhost",
)


@pytest.mark.skipif(SHARED is None, reason="recordings are not present")
@pytest.mark.parametrize("name", REFUSALS)
async def test_as_recorded(zone: ControlPlane, name: str) -> None:
    assert SHARED is not None
    recorded = json.loads((Path(SHARED) / "reference/api/single" / f"{name}.json").read_text())
    request, expected = recorded["request"], recorded["response"]
    path = request["url"].split("5681", 1)[1]
    headers = dict(request.get("headers") or {})
    if request["method"] in ("PUT", "POST") and not headers.get("Content-Type"):
        headers["Content-Type"] = "application/octet-stream"
    body = request.get("body")
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    async with zone.client.request(
        request["method"], path, data=data, headers=headers, allow_redirects=False
    ) as response:
        answer: Any = await response.text()
        if response.content_type == "application/json":
            answer = json.loads(answer)
        assert response.status == expected["status"], answer
        assert (answer or "") == (expected["body"] or "")
        for header in ("Allow", "Location"):
            assert response.headers.get(header) == expected["headers"].get(header)


VALIDATION: list[tuple[str, dict[str, Any]]] = (
    [
        (f"{case['type']}:{case['case']}", case)
        for file in ("targetref", "legacy")
        for case in json.loads((SHARED / "reference/validation" / f"{file}.json").read_text())
    ]
    if SHARED is not None
    else []
)


NOT_YET = frozenset(
    [
        "CircuitBreaker",
        "ExternalService",
        "FaultInjection",
        "HealthCheck",
        "Mesh",
        "MeshGateway",
        "MeshGatewayRoute",
        "ProxyTemplate",
        "RateLimit",
        "Retry",
        "Timeout",
        "TrafficRoute",
        "VirtualOutbound",
    ]
)
"""Kinds of which this version does not know every recorded rule; a kind leaves this list for good."""


async def test_validation_as_recorded(zone: ControlPlane) -> None:
    """All recorded validations in one run, because each would start a control plane of its own otherwise."""
    differences = []
    _, listed = await zone.get("/_resources")
    kinds = {r["name"]: r for r in listed["resources"]}
    for title, case in VALIDATION:
        if case["type"] in NOT_YET:
            continue
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
        if status != case["status"] or ("violations" in case and sorted(found) != sorted(case["violations"])):
            differences.append((title, found or answer, case.get("violations")))
    assert not differences, "" + "\n".join(map(str, differences[:30]))
