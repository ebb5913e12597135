"""A way so narrow that one message takes longer than silence is borne: it gets through all the same, up and down.

Whoever gave a stream up after the same time again and again would never get it.
"""

from __future__ import annotations

import base64
import random

import pytest

from kds.liveness import Limits, Patience, Silent
from tests.failure.relays import NarrowRelay
from tests.unit.kds.lab import Global, Stopped, Zone
from tests.unit.kds.test_stream import running
from ursa.errors import Unavailable
from ursa.model.resource import Resource

IMPATIENT = {"SILENCE_TIMEOUT": "400ms", "HEARTBEAT_INTERVAL": "100ms"}
LARGE = base64.b64encode(random.Random(1).randbytes(90_000)).decode()
"""It cannot be compressed to less than it was."""


async def test_a_message_that_takes_longer_than_silence_is_borne_gets_through() -> None:
    centre = Global(**{f"KUMA_MULTIZONE_GLOBAL_KDS_{name}": value for name, value in IMPATIENT.items()})
    async with running(centre), NarrowRelay(centre.port, 60_000) as relay:
        await centre.put(Resource("Secret", "default", "large", {"data": LARGE}))
        zone = Zone("zone-1", relay.port, **{f"KUMA_MULTIZONE_ZONE_KDS_{name}": v for name, v in IMPATIENT.items()})
        async with running(zone):
            await zone.until(lambda: zone.named("Secret", "large"), 60)
            subscriptions = [{"id": LARGE, "connectTime": "2026-01-01T00:00:00Z"}]
            await zone.put(Resource("DataplaneInsight", "default", "d", {"subscriptions": subscriptions}))
            await centre.until(lambda: centre.named("DataplaneInsight", "d"), 60)


def test_patience_grows_while_streams_are_given_up_in_a_row() -> None:
    clock = Stopped()
    patience = Patience(Limits(silence=5, unanswered=30), clock)
    borne = []
    for lasted in (6, 11, 21, 31, 31, 1000, 6):
        with pytest.raises(Silent), patience.stream() as limits:
            borne.append(limits.borne(0))
            assert limits.borne(1000) == 5, "who has lived for a while is found dead as soon as ever"
            clock.ns += lasted * 10**9
            raise Silent("nothing has come")
    assert borne == [5, 10, 20, 30, 30, 30, 10]
    with pytest.raises(Unavailable), patience.stream():
        raise Unavailable("something else")
    with patience.stream() as limits:
        assert limits.borne(0) == 5
