"""Issues tokens to proxies, zones and people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from ursa.api.access import Access
from ursa.api.audit import Audit
from ursa.api.context import ApiContext, Endpoint, Guard
from ursa.api.failures import Failure
from ursa.errors import InvalidResource, NotFound, Violation
from ursa.identity.tokens import DataplaneClaims, ZoneClaims, issue_dataplane_token, issue_zone_token
from ursa.identity.user_tokens import UserClaims, issue_user_token
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject

INVALID = "Invalid request"
PROXY_TYPES = ("", "dataplane", "ingress", "egress")
_SECOND = 1_000_000_000


def _body_schema(required: tuple[str, ...], **properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {**properties, "validFor": _LIFE}, "required": list(required)}


_TEXT: JsonObject = {"type": "string"}
_TEXTS: JsonObject = {"type": "array", "items": _TEXT}
_LIFE: JsonObject = {"type": "string", "description": "how long it is good, as in 24h"}
DATAPLANE_BODY = _body_schema(
    ("mesh",),
    name=_TEXT,
    mesh=_TEXT,
    tags={"type": "object", "additionalProperties": _TEXTS},
    type={"enum": list(PROXY_TYPES)},
    workload=_TEXT,
)
ZONE_BODY = _body_schema(("scope",), zone=_TEXT, scope=_TEXTS)
USER_BODY = _body_schema(("name", "validFor"), name=_TEXT, groups=_TEXTS)


class Tokens:
    """The calls that issue tokens."""

    def __init__(self, context: ApiContext, access: Access, audit: Audit) -> None:
        self._context = context
        self._access = access
        self._audit = audit
        self._dp_server = context.settings.dp_server.authn

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes; the one for users is also served outside the base path, where Kuma has it."""
        yield Endpoint(
            "POST", "/tokens/dataplane", self.dataplane, INVALID, json=False, guard=Guard.OWN, body=DATAPLANE_BODY
        )
        yield Endpoint("POST", "/tokens/zone", self.zone, INVALID, json=False, guard=Guard.OWN, body=ZONE_BODY)
        if self._context.settings.api_server.authn.type == "tokens":
            yield Endpoint(
                "POST", "/tokens/user", self.user, INVALID, json=False, unprefixed=True, guard=Guard.OWN, body=USER_BODY
            )

    async def dataplane(self, request: web.Request) -> web.Response:
        """A token for proxies of a mesh."""
        body = await _body(request)
        mesh, kind = str(body.get("mesh") or ""), str(body.get("type") or "")
        found = [] if mesh else [Violation("mesh", "cannot be empty")]
        if kind not in PROXY_TYPES:
            found.append(Violation("type", f"{kind} is not a valid proxy type"))
        valid_for = _valid_for(body, found, required=False)
        _check(found)
        self._access.dataplane_token(request)
        _check_issuer(self._dp_server.dp_proxy.dp_token.enable_issuer)
        tags = {str(k): tuple(map(str, v)) for k, v in (body.get("tags") or {}).items()}
        claims = DataplaneClaims(str(body.get("name") or ""), mesh, tags, kind, str(body.get("workload") or ""))
        token = await self._issue(issue_dataplane_token, claims, valid_for)
        self._audit.issued(request, "dataplane token", {"mesh": mesh, "resource": claims.name})
        return token

    async def zone(self, request: web.Request) -> web.Response:
        """A token for zone proxies."""
        body = await _body(request)
        zone = str(body.get("zone") or "")
        self._access.zone_token(request, zone)
        found: list[Violation] = []
        scope = tuple(map(str, body.get("scope") or ()))
        if not scope:
            found.append(Violation("scope", "cannot be empty"))
        valid_for = _valid_for(body, found, required=False)
        _check(found)
        _check_issuer(self._dp_server.zone_proxy.zone_token.enable_issuer)
        token = await self._issue(issue_zone_token, ZoneClaims(zone, scope), valid_for)
        self._audit.issued(request, "zone token", {"resource": zone, "scope": list(scope)})
        return token

    async def user(self, request: web.Request) -> web.Response:
        """A token for a user of the API."""
        body = await _body(request)
        _check_issuer(self._context.settings.api_server.authn.tokens.enable_issuer)
        self._access.user_token(request)
        found: list[Violation] = []
        name = str(body.get("name") or "")
        if not name:
            found.append(Violation("name", "cannot be empty"))
        valid_for = _valid_for(body, found, required=True)
        _check(found)
        claims = UserClaims(name, tuple(map(str, body.get("groups") or ())))
        token = await self._issue(issue_user_token, claims, valid_for)
        self._audit.issued(request, "user token", {"resource": name, "of": list(claims.groups)})
        return token

    async def _issue(self, issue: Any, *arguments: Any) -> web.Response:
        """Signs in a thread: RSA signatures take a millisecond and many may be asked for at once."""
        try:
            token: str = await asyncio.to_thread(issue, self._context.view, self._context.clock, *arguments)
        except NotFound as error:
            raise Failure(404, "Signing Key not found", str(error)) from None
        return web.Response(text=token, headers={"Content-Type": "text/plain"})


async def _body(request: web.Request) -> dict[str, Any]:
    """The body; Kuma answers one that is not JSON with an empty 400."""
    raw = await request.read()
    try:
        body = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="")
    return body


def _valid_for(body: dict[str, Any], found: list[Violation], *, required: bool) -> float:
    """Seconds of life, 0 when none are given; violations are added to `found`."""
    text = str(body.get("validFor") or "")
    if not text:
        if required:
            found.append(Violation("validFor", "cannot be empty"))
        return 0.0
    nanoseconds = 0
    try:
        nanoseconds = parse_go(text)
    except ValueError as error:
        found.append(Violation("validFor", f"is invalid: {error}"))
    if required and not nanoseconds:
        found.append(Violation("validFor", "cannot be empty or nil"))
    return nanoseconds / _SECOND


def _check(found: list[Violation]) -> None:
    if found:
        raise InvalidResource(found)


def _check_issuer(enabled: bool) -> None:
    if not enabled:
        raise Failure(400, "Could not issue a token", "issuing tokens using the control plane is disabled.")
