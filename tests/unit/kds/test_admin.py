"""Questions to proxies: large answers come in parts and hold nothing up, whoever asks them knows or not."""

from __future__ import annotations

import asyncio

import pytest

from kds.admin_calls import CONFIG, PARTS, STATS, AdminQuery, decode_answer, encode_query
from kds.admin_responder import AdminLimits, AdminResponder
from tests.unit.kds.lab import Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.errors import Unavailable

LARGE = b"0123456789abcdef" * (3 << 20)
"""48 MiB, several times the largest message."""


async def answers(query: AdminQuery) -> bytes:
    return LARGE if query.call == CONFIG else b"small"


async def test_a_dump_of_any_size_arrives_while_everything_else_goes_on() -> None:
    centre = Global()
    async with running(centre):
        zone = Zone("zone-1", centre.port, admin=answers)
        async with running(zone):
            await centre.until(lambda: {CONFIG, STATS} <= centre.tunnel.streams("zone-1"))
            dump = asyncio.get_running_loop().create_task(
                centre.tunnel.ask("zone-1", AdminQuery(CONFIG, "Dataplane", "default", "web"))
            )
            await centre.put(timeout("meanwhile"))
            await zone.until(lambda: zone.named("MeshTimeout", "meanwhile"))
            assert await centre.tunnel.ask("zone-1", AdminQuery(STATS, "Dataplane", "default", "web")) == b"small"
            assert await dump == LARGE
            assert zone.client.status.restarts == {}


class Recorder:
    """A stream with one request in it, which ends after its answers."""

    def __init__(self, request: bytes, answers: int = 1) -> None:
        self.requests, self.answers = [request], answers
        self.written: list[bytes] = []
        self.done = asyncio.Event()

    async def read(self) -> object:
        if self.requests:
            return self.requests.pop()
        await self.done.wait()
        return None

    async def write(self, message: bytes) -> None:
        self.written.append(message)
        if len(self.written) == self.answers:
            self.done.set()


async def test_who_does_not_know_of_parts_gets_none() -> None:
    query = AdminQuery(CONFIG, "Dataplane", "default", "web")
    stream = Recorder(encode_query(query, "an-id-of-kuma"))
    await AdminResponder(CONFIG, answers, limits=AdminLimits(max_message=512 << 10)).run(stream)
    (answer,) = stream.written
    request_id, result, error = decode_answer(CONFIG, answer)
    assert (request_id, result) == ("an-id-of-kuma", b"") and "more than fit into a message" in error


async def test_parts_and_patience_are_settings() -> None:
    async def stuck(query: AdminQuery) -> bytes:
        return await asyncio.get_running_loop().create_future() if query.call == STATS else b"x" * 100

    centre = Global()
    async with running(centre):
        zone = Zone(
            "zone-1",
            centre.port,
            admin=stuck,
            KUMA_MULTIZONE_ZONE_KDS_ADMIN_TIMEOUT="50ms",
            KUMA_MULTIZONE_ZONE_KDS_ADMIN_PART_SIZE="7",
        )
        async with running(zone):
            await centre.until(lambda: {CONFIG, STATS} <= centre.tunnel.streams("zone-1"))
            assert await centre.tunnel.ask("zone-1", AdminQuery(CONFIG, "Dataplane", "default", "web")) == b"x" * 100
            with pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
                await centre.tunnel.ask("zone-1", AdminQuery(STATS, "Dataplane", "default", "web"))


async def test_answers_are_cut_into_parts_of_the_size_that_is_set() -> None:
    async def short(_: AdminQuery) -> bytes:
        return b"x" * 10

    stream = Recorder(encode_query(AdminQuery(CONFIG, "Dataplane", "default", "web"), PARTS + "id"), answers=3)
    await AdminResponder(CONFIG, short, limits=AdminLimits(part=4)).run(stream)
    assert [decode_answer(CONFIG, part)[1] for part in stream.written] == [b"xxxx", b"xxxx", b"xx"]
