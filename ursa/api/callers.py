"""Who is calling: a direct caller from this host is the administrator, others show a token, the rest is anonymous."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from ursa.api.context import ApiContext
from ursa.identity.trusted_keys import TrustedKeys, offline_keys
from ursa.identity.user_tokens import ADMIN, user_key_prefix, verify_user_token

AUTHENTICATED = "mesh-system:authenticated"
UNAUTHENTICATED = "mesh-system:unauthenticated"
_BEARER = "Bearer "
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


@dataclass(frozen=True, slots=True)
class Caller:
    """A user and the groups it is in."""

    name: str
    groups: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}/{','.join(self.groups)}"


ADMINISTRATOR = Caller(ADMIN, (ADMIN, AUTHENTICATED))
ANONYMOUS = Caller("mesh-system:anonymous", (UNAUTHENTICATED,))
CALLER = web.RequestKey("caller", Caller)


class Authenticator:
    """Finds out who sent a request (`spec/rest-api.md` §12)."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._settings = context.settings.api_server.authn
        validator = self._settings.tokens.validator
        self._offline = offline_keys(validator.public_keys, "apiServer.authn.tokens.validator.publicKeys")

    def identify(self, request: web.Request) -> Caller:
        """The caller. Raises Unauthenticated when it shows a token that is not good."""
        if self._settings.localhost_is_admin and _direct_from_this_host(request):
            return ADMINISTRATOR
        if self._settings.type == "adminClientCerts":
            transport = request.transport
            verified = transport is not None and bool(transport.get_extra_info("peercert"))
            return ADMINISTRATOR if verified else ANONYMOUS
        header = request.headers.get("Authorization", "")
        if not header.startswith(_BEARER):
            return ANONYMOUS
        use_secrets = self._settings.tokens.validator.use_secrets
        keys = TrustedKeys(self._context.view, user_key_prefix, self._offline, use_secrets=use_secrets)
        claims = verify_user_token(keys, self._context.clock, header.removeprefix(_BEARER))
        return Caller(claims.name, (*claims.groups, AUTHENTICATED))


def caller_of(request: web.Request) -> Caller:
    """Who sent this request."""
    caller: Caller = request.get(CALLER, ANONYMOUS)
    return caller


def _direct_from_this_host(request: web.Request) -> bool:
    """Whether nothing stands between a process on this host and us: no proxy, and no web page of another site."""
    if not _is_loopback(request.remote or "") or any(name in request.headers for name in _FORWARDED):
        return False
    host = request.headers.get("Host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if name != "localhost" and not _is_loopback(name):
        return False
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == host


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
