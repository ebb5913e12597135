"""Who a caller is, what it may do, and the tokens it can get."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest

from tests.unit.api.conftest import ControlPlane, Start

REMOTE = {"X-Forwarded-For": "1.2.3.4"}
"""Makes a local caller an ordinary one."""


async def admin_token(zone: ControlPlane) -> str:
    _, secret = await zone.get("/globalsecrets/admin-user-token")
    return base64.b64decode(secret["data"]).decode()


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "mesh-system:admin"),
        ({"Authorization": "Bearer abc"}, "mesh-system:admin"),
        ({"Origin": "http://evil.example"}, "mesh-system:anonymous"),
        ({"Sec-Fetch-Site": "cross-site"}, "mesh-system:anonymous"),
        ({"Sec-Fetch-Site": "same-origin"}, "mesh-system:admin"),
        ({"Host": "cp.example.com"}, "mesh-system:anonymous"),
        ({"Host": "127.0.0.1:5681"}, "mesh-system:admin"),
        ({"Host": "[::1]:5681"}, "mesh-system:admin"),
        ({"Forwarded": "for=1.2.3.4"}, "mesh-system:anonymous"),
        ({"X-Real-IP": "1.2.3.4"}, "mesh-system:anonymous"),
        ({**REMOTE, "Authorization": "Basic abc"}, "mesh-system:anonymous"),
        ({**REMOTE, "Authorization": "bearer abc"}, "mesh-system:anonymous"),
    ],
)
async def test_only_direct_local_callers_are_admin(zone: ControlPlane, headers: dict[str, str], name: str) -> None:
    assert (await zone.call("GET", "/who-am-i", **headers))[1]["name"] == name


async def test_tokens_name_their_user_until_revoked(zone: ControlPlane) -> None:
    status, token = await zone.call("POST", "/tokens/user", {"name": "jo", "groups": ["ops"], "validFor": "1h"})
    assert status == 200
    bearer = {**REMOTE, "Authorization": f"Bearer {token}"}
    expected = {"name": "jo", "groups": ["ops", "mesh-system:authenticated"]}
    assert await zone.call("GET", "/who-am-i", **bearer) == (200, expected)
    identifier = jwt.decode(token, options={"verify_signature": False})["jti"]
    data = base64.b64encode(f"x,{identifier}\n".encode()).decode()
    revocations = {"type": "GlobalSecret", "name": "user-token-revocations", "data": data}
    await zone.put("/globalsecrets/user-token-revocations", revocations)
    status, problem = await zone.call("GET", "/who-am-i", **bearer)
    assert (status, problem["title"]) == (401, "Invalid authentication data")


async def test_secrets_are_for_admins(zone: ControlPlane) -> None:
    status, problem = await zone.call("GET", "/globalsecrets", **REMOTE)
    assert (status, problem["title"]) == (403, "Access Denied")
    assert problem["detail"] == (
        'user "mesh-system:anonymous/mesh-system:unauthenticated" cannot access the resource of type "GlobalSecret"'
    )
    token = await admin_token(zone)
    status, _ = await zone.call("GET", "/globalsecrets", **REMOTE, Authorization=f"Bearer {token}")
    assert status == 200


@pytest.mark.parametrize(
    ("path", "body", "violations"),
    [
        ("dataplane", {}, [("mesh", "cannot be empty")]),
        ("dataplane", {"mesh": "default", "type": "foo"}, [("type", "foo is not a valid proxy type")]),
        (
            "dataplane",
            {"mesh": "default", "validFor": "1day"},
            [("validFor", 'is invalid: time: unknown unit "day" in duration "1day"')],
        ),
        ("zone", {}, [("scope", "cannot be empty")]),
        ("user", {}, [("name", "cannot be empty"), ("validFor", "cannot be empty")]),
        ("user", {"name": "a", "validFor": "0s"}, [("validFor", "cannot be empty or nil")]),
    ],
)
async def test_token_requests_are_checked(
    zone: ControlPlane, path: str, body: dict[str, Any], violations: list[tuple[str, str]]
) -> None:
    status, problem = await zone.call("POST", f"/tokens/{path}", body)
    assert (status, problem["title"]) == (400, "Invalid request")
    assert [(v["field"], v["reason"]) for v in problem["invalid_parameters"]] == violations


async def test_token_endpoints_answer_as_kuma(zone: ControlPlane) -> None:
    status, problem = await zone.call("POST", "/tokens/dataplane", {"mesh": "nope"})
    assert (status, problem["title"]) == (404, "Signing Key not found")
    assert (await zone.call("POST", "/tokens/user", {"name": "x", "validFor": "1h"}, **REMOTE))[0] == 403
    assert (await zone.call("GET", "/tokens/user"))[0] == 405
    response = await zone.client.post("/tokens/zone", data=b"{", headers={"Content-Type": "application/json"})
    assert (response.status, await response.text()) == (400, "")
    status, token = await zone.call("POST", "/tokens/zone", {"zone": "z", "scope": ["ingress"], "validFor": "1h"})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["Zone"], claims["Scope"]) == ("z", ["ingress"])


async def test_a_base_path_moves_the_api(start: Start) -> None:
    plane = await start(API_SERVER_BASE_PATH="/api/v0")
    assert (await plane.get("/api/v0/meshes"))[0] == 200
    assert await plane.get("/") == (404, "404 page not found\n")
    body = {"name": "a", "validFor": "1h"}
    assert [(await plane.call("POST", p, body))[0] for p in ("/tokens/user", "/api/v0/tokens/user")] == [200, 200]


async def test_issuing_can_be_switched_off(start: Start) -> None:
    plane = await start(API_SERVER_AUTHN_TOKENS_ENABLE_ISSUER="false")
    status, problem = await plane.call("POST", "/tokens/user", {"name": "a", "validFor": "1h"})
    assert (status, problem["title"]) == (400, "Could not issue a token")


async def test_pages_of_other_origins(start: Start) -> None:
    plane = await start(API_SERVER_CORS_ALLOWED_DOMAINS="http://foo.example")
    for origin, allowed in (("http://foo.example", "http://foo.example"), ("http://bar.example", None)):
        response = await plane.client.get("/meshes", headers={"Origin": origin})
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
    asked = {"Origin": "http://foo.example", "Access-Control-Request-Method": "PUT"}
    response = await plane.client.options("/meshes/m", headers=asked)
    assert "PUT" in response.headers["Access-Control-Allow-Methods"]
