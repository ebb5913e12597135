"""Whether a caller of the KDS port is the zone it says it is."""

from __future__ import annotations

from collections.abc import Callable

from kds.transport import Caller
from ursa.errors import Unauthenticated
from ursa.identity.tokens import verify_zone_token
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.view.live import LiveView

SCOPE = "cp"
"""Scope of a zone token that lets a control plane connect; tokens of zone proxies must not be enough."""


def zone_authenticator(settings: Settings, live: LiveView, clock: Clock) -> Callable[[Caller], None]:
    """A check that raises Unauthenticated; it lets everybody in unless tokens are required, as Kuma does."""

    def check(caller: Caller) -> None:
        if not settings.multizone.global_.kds.zone_token_required:
            return
        if not caller.token:
            raise Unauthenticated("a zone token is required")
        claims = verify_zone_token(live.current, clock, caller.token)
        if claims.zone != caller.zone:
            raise Unauthenticated(f"the token is for zone {claims.zone!r}, not for {caller.zone!r}")
        if SCOPE not in claims.scope:
            raise Unauthenticated(f"the token has no scope {SCOPE!r}")

    return check
