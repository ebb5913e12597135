"""Who may call itself a zone."""

from __future__ import annotations

import pytest

from global_cp.zone_tokens import zone_authenticator
from kds.transport import Caller, call_metadata, read_caller
from ursa.errors import ProtocolError, Unauthenticated
from ursa.identity.signing_keys import new_zone_signing_key
from ursa.identity.tokens import ZoneClaims, issue_zone_token
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.store.contract import Create
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView

CLOCK = SystemClock()


@pytest.fixture
async def live() -> LiveView:
    store = MemoryStore(CLOCK)
    await store.open()
    await store.write([Create(new_zone_signing_key())])
    view = LiveView(store)
    await view.load()
    return view


def caller(token: str, zone: str = "zone-1") -> Caller:
    return read_caller(call_metadata(zone, token), "ipv4:127.0.0.1:1")


async def test_only_the_right_token_opens_the_door(live: LiveView) -> None:
    check = zone_authenticator(
        load(None, {"URSA_MULTIZONE_GLOBAL_KDS_ZONE_TOKEN_REQUIRED": "true"}).settings, live, CLOCK
    )
    right = issue_zone_token(live.current, CLOCK, ZoneClaims("zone-1", ("cp",)))
    proxy = issue_zone_token(live.current, CLOCK, ZoneClaims("zone-1", ("ingress", "egress")))
    check(caller(right))
    for refused in (caller(""), caller(right, "zone-2"), caller(proxy), caller("not.a.token")):
        with pytest.raises(Unauthenticated):
            check(refused)


async def test_without_the_setting_everybody_may_come(live: LiveView) -> None:
    zone_authenticator(load(None, {}).settings, live, CLOCK)(caller(""))


def test_a_caller_without_a_name_is_told_so() -> None:
    with pytest.raises(ProtocolError, match='"client-id" is not present in metadata'):
        read_caller([("version", "2.13.10")], "peer")
