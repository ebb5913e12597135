"""The twenty facts about Kuma's sync that break interop if missed (`spec/kds.md` §0): what pins each of them.

Those that only show when both ends talk are looked at here, on the wire: our zone with a global that takes down all it
hears, and our global with a zone that does.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from kds.admin_calls import CALLS
from kds.downward import Downward
from kds.publisher import Publisher
from kds.transport import (
    CLIENT_ID,
    DOWN,
    GLOBAL_SERVICE,
    HEALTH,
    SYNC_SERVICE,
    UP,
    Keepalive,
    call_metadata,
    client_options,
    server_options,
)
from kds.tuning import global_tuning, zone_tuning
from kds.wire import Request, decode_request, decode_response, encode_request, join_response
from tests.unit.kds.lab import REGISTRY, Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.model.kind import Sync
from ursa.model.resource import Resource
from ursa.runtime.config import load
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.wire import mesh_pb2

FACTS = {
    1: ("test_everything_runs_over_one_connection_that_the_zone_makes",),
    2: ("test_the_zone_opens_the_way_up_and_is_asked_on_it", "test_opening_requests_ask_for_what_kuma_asks_for"),
    3: ("test_every_request_of_either_end_names_the_zone", "test_without_node"),
    4: ("test_every_request_of_either_end_names_the_zone",),
    5: ("test_requests_are_those_of_kuma", "test_responses_are_those_of_kuma"),
    6: ("test_names_are_divided_at_the_last_dot", "test_removed_names_come_after_the_nonce"),
    7: ("test_what_we_make_of_the_originals_is_what_kuma_sent", "test_envelopes_bring_back_what_was_put_in"),
    8: (
        "test_nobody_is_answered_before_everything_is_known",
        "test_a_full_state_deletes_what_the_sender_owns_and_nothing_else",
        "test_a_full_state_is_not_split_for_peers_that_would_delete_the_rest",
    ),
    9: ("test_a_difference_deletes_only_what_it_names",),
    10: ("test_first_requests_are_answered_even_with_nothing",),
    11: ("test_one_response_is_under_way_at_a_time_and_then_comes_the_newest",),
    12: ("test_a_refused_version_is_not_sent_again", "test_what_is_refused_is_sent_again_alone_and_ever_more_rarely"),
    13: ("test_without_the_mark_of_the_global_nothing_is_stored", "test_names_on_the_way_down"),
    14: ("test_names_on_the_way_down", "test_names_on_the_way_up_and_across", "test_long_names_fit"),
    15: ("test_undecodable", "test_unknown_field_and_type", "test_of_two_resources_with_one_name_the_other_waits"),
    16: ("test_everything_runs_over_one_connection_that_the_zone_makes", "test_calls_say_of_the_zone_what_kumas_say"),
    17: ("test_probes_of_kuma_are_no_attack_and_ours_are_none_to_kuma",),
    18: ("test_messages_may_be_as_large_as_kumas",),
    19: ("test_a_zone_tells_where_it_keeps_things",),
    20: ("test_idle_means_no_writes_at_all", "test_health_checks_are_off_unless_wanted"),
}
"""What pins each fact."""


def test_every_fact_is_pinned() -> None:
    here = Path(__file__).parent
    tests = {name for file in here.glob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert list(FACTS) == list(range(1, 21))
    assert not {name for names in FACTS.values() for name in names} - tests


class Listener(grpc.GenericRpcHandler):
    """A global that writes down what it hears, and says only what a test wants."""

    def __init__(self) -> None:
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        self.peers: dict[str, str] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.to_say: dict[str, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        name = details.method.rpartition("/")[2]

        def note(context: grpc.aio.ServicerContext) -> None:
            self.peers[name] = context.peer()
            self.metadata[name] = {k: str(v) for k, v in context.invocation_metadata() or ()}

        async def health(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            note(context)
            return b""

        async def stream(_: object, context: grpc.aio.ServicerContext) -> None:
            note(context)
            speaking = spawn(speak(context), "listener speaks")
            try:
                while isinstance(message := await context.read(), bytes):
                    self.heard[name].append(message)
            finally:
                await cancel_and_wait(speaking)

        async def speak(context: grpc.aio.ServicerContext) -> None:
            while True:
                await context.write(await self.to_say[name].get())

        if name == HEALTH:
            return grpc.unary_unary_rpc_method_handler(health)
        return grpc.stream_stream_rpc_method_handler(stream)

    def requests(self) -> list[Request]:
        return [decode_request(message) for message in self.heard[DOWN]]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield port
        finally:
            await server.stop(0)


def timeouts(nonce: str, **seconds: int) -> bytes:
    """A response as a global makes it; 0 seconds break the rules."""
    maker = Downward(REGISTRY)
    made = [timeout(name, n) if n else Resource("MeshTimeout", "default", name, {}) for name, n in seconds.items()]
    offers = [maker.offer(one) for one in made]
    frames = [offer.framed for offer in offers if offer is not None]
    return join_response("MeshTimeout", nonce, frames, (), identifier="any")


async def test_everything_runs_over_one_connection_that_the_zone_makes() -> None:
    listener = Listener()
    async with listener.listening() as port:
        zone = Zone("east", port)
        async with running(zone):
            await zone.until(lambda: len(listener.peers) == 6)
            assert set(listener.peers) == {DOWN, UP, HEALTH, *(call.stream for call in CALLS.values())}
            assert len(set(listener.peers.values())) == 1
            assert {said[CLIENT_ID] for said in listener.metadata.values()} == {"east"}


async def test_the_zone_opens_the_way_up_and_is_asked_on_it() -> None:
    listener = Listener()
    async with listener.listening() as port:
        zone = Zone("east", port)
        async with running(zone):
            await zone.put(Resource("MeshService", "default", "web", {"ports": [{"port": 80}]}))
            await zone.until(lambda: UP in listener.peers)
            await asyncio.sleep(0.1)
            assert not listener.heard[UP], "who was not asked says nothing"
            listener.to_say[UP].put_nowait(encode_request(Request("MeshService", "east", wildcard=True)))
            await zone.until(lambda: listener.heard[UP])
            response = decode_response(listener.heard[UP][0])
            assert (response.kind, len(response.items)) == ("MeshService", 1)


async def test_every_request_of_either_end_names_the_zone() -> None:
    listener = Listener()
    async with listener.listening() as port:
        zone = Zone("east", port)
        async with running(zone):
            asked = [kind.name for kind in REGISTRY if kind.sync & (Sync.DOWN | Sync.ACROSS)]
            await zone.until(lambda: len(listener.heard[DOWN]) == len(asked))
            listener.to_say[DOWN].put_nowait(timeouts("1", good=5))
            listener.to_say[DOWN].put_nowait(timeouts("2", good=6, bad=0))
            await zone.until(lambda: len(listener.heard[DOWN]) == len(asked) + 2)
            found = listener.requests()
            assert {request.kind for request in found} == set(asked) and len(asked) == 43
            assert [bool(request.error) for request in found[-2:]] == [False, True]
            assert {request.node for request in found} == {"east"}
    centre = Global()
    async with running(centre), caller(centre) as (_, up):
        requests = [decode_request(await up.read()) for _ in range(29)]
        await up.write(timeouts("1", good=5))
        await up.write(timeouts("2", good=6, bad=0))
        requests += [decode_request(await up.read()) for _ in range(2)]
        assert [bool(request.error) for request in requests[-2:]] == [False, True]
        assert {request.node for request in requests} == {"east"}


@asynccontextmanager
async def caller(centre: Global) -> AsyncIterator[tuple[grpc.aio.StreamStreamCall, grpc.aio.StreamStreamCall]]:
    """Both sync streams of a zone of Kuma, of which it has opened the way down."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{centre.port}") as channel:
        metadata = tuple(pair for pair in call_metadata("east") if not pair[1].startswith("ursa"))
        down, up = (channel.stream_stream(f"/{SYNC_SERVICE}/{way}")(metadata=metadata) for way in (DOWN, UP))
        await down.write(encode_request(Request("Mesh", "east", wildcard=True, metadata={"control-plane-id": "one"})))
        yield down, up
        down.cancel()
        up.cancel()


async def test_nobody_is_answered_before_everything_is_known() -> None:
    centre, complete = Global(), asyncio.Event()
    centre.publisher = Publisher(centre.live, Downward(REGISTRY), complete=lambda _: complete.is_set())
    async with running(centre), caller(centre) as (down, _):
        reading = spawn(down.read(), "reading")
        await centre.put(timeout("a"))
        await asyncio.sleep(0.3)
        assert not reading.done()
        complete.set()
        await centre.put(Resource("Mesh", "", "default"))
        async with asyncio.timeout(10):
            response = decode_response(await reading)
        assert (response.kind, [item.name for item in response.items]) == ("Mesh", ["default."])


def test_probes_of_kuma_are_no_attack_and_ours_are_none_to_kuma() -> None:
    ours = dict(server_options(1, Keepalive()))
    for option in ("min_recv_ping_interval_without_data_ms", "min_ping_interval_without_data_ms"):
        assert int(ours[f"grpc.http2.{option}"]) <= 10_000, "zones of Kuma probe every 15 s"
    assert ours["grpc.http2.max_ping_strikes"] == 0 and ours["grpc.keepalive_permit_without_calls"] == 1
    zone = zone_tuning(load(None, {}).settings)
    assert int(dict(client_options(1, zone.keepalive))["grpc.keepalive_time_ms"]) >= 15_000


def test_messages_may_be_as_large_as_kumas() -> None:
    settings = load(None, {}).settings
    at_global, of_zone = global_tuning(settings), zone_tuning(settings)
    for options in (
        server_options(at_global.max_message, Keepalive()),
        client_options(of_zone.max_message, Keepalive()),
    ):
        for way in ("receive", "send"):
            assert dict(options)[f"grpc.max_{way}_message_length"] == 10_485_760


async def test_a_zone_tells_where_it_keeps_things() -> None:
    """A global of Kuma panics over the first question about a proxy otherwise."""
    listener = Listener()
    async with listener.listening() as port:
        zone = Zone("east", port)
        async with running(zone):
            await zone.until(lambda: listener.heard[DOWN])
            told = json.loads(listener.requests()[0].metadata["config"])
            assert isinstance(told["store"]["type"], str) and told["store"]["type"]


async def test_health_checks_are_off_unless_wanted() -> None:
    centre = Global()
    async with running(centre), grpc.aio.insecure_channel(f"127.0.0.1:{centre.port}") as channel:
        answer = await channel.unary_unary(f"/{GLOBAL_SERVICE}/{HEALTH}")(b"", metadata=call_metadata("east"))
        assert mesh_pb2.ZoneHealthCheckResponse.FromString(answer).interval.ToNanoseconds() == 0
