"""Questions to proxies: large answers come in parts and hold nothing up, whoever asks them knows or not."""

from __future__ import annotations

import asyncio

from kds.admin_calls import CONFIG, STATS, AdminQuery, decode_answer, encode_query
from kds.admin_responder import PART, AdminResponder
from tests.unit.kds.lab import Global, Zone
from tests.unit.kds.test_stream import running, timeout

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
    """A stream with one request in it."""

    def __init__(self, request: bytes) -> None:
        self.requests = [request]
        self.written: list[bytes] = []
        self.done = asyncio.Event()

    async def read(self) -> object:
        if self.requests:
            return self.requests.pop()
        await self.done.wait()
        return None

    async def write(self, message: bytes) -> None:
        self.written.append(message)
        self.done.set()


async def test_who_does_not_know_of_parts_gets_none() -> None:
    query = AdminQuery(CONFIG, "Dataplane", "default", "web")
    stream = Recorder(encode_query(query, "an-id-of-kuma"))
    await AdminResponder(CONFIG, answers, max_message=PART * 2).run(stream)
    (answer,) = stream.written
    request_id, result, error = decode_answer(CONFIG, answer)
    assert (request_id, result) == ("an-id-of-kuma", b"") and "more than fit into a message" in error
