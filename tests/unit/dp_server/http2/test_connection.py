"""The protocol core against a real client's state machine, and against frames that no real client sends."""

from __future__ import annotations

import h2.events
import pytest
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dp_server.http2.peer import GREETING, REQUEST, RESPONSE, TRAILERS, Peer, reason, sent_frames, settings
from zone_cp.dp_server.http2 import frames
from zone_cp.dp_server.http2.connection import Connection, Limits
from zone_cp.dp_server.http2.events import Ended, PeerLeaves, Ponged, Received, Requested, Reset
from zone_cp.dp_server.http2.frames import Code, Flag, Kind


def bodies(told: list[object]) -> bytes:
    return b"".join(event.data for event in told if isinstance(event, Received))


def test_a_call_from_its_first_byte_to_its_last() -> None:
    peer = Peer()
    (requested,) = peer.open()
    assert isinstance(requested, Requested)
    assert (b":path", b"/service/method") in requested.headers
    peer.client.send_data(1, b"question")
    assert peer.exchange() == [Received(1, b"question", 8)]
    peer.server.respond(1, RESPONSE)
    assert peer.server.send(1, b"an", b"swer")
    peer.exchange()
    assert peer.body() == b"answer"
    peer.client.end_stream(1)
    assert peer.exchange() == [Ended(1)]
    peer.server.finish(1, TRAILERS)
    peer.exchange()
    (trailers,) = peer.got(h2.events.TrailersReceived)
    assert list(trailers.headers) == TRAILERS
    assert peer.got(h2.events.StreamEnded)
    assert not peer.got(h2.events.StreamReset)
    assert peer.server.streams == 0


def test_a_response_before_the_end_of_its_request_gives_the_rest_up() -> None:
    peer = Peer()
    peer.open()
    peer.server.finish(1, RESPONSE + TRAILERS)
    peer.exchange()
    (reset,) = peer.got(h2.events.StreamReset)
    assert reset.error_code == Code.NO_ERROR
    # What was on its way does no harm, and is counted in the window of the connection.
    late = frames.frame(Kind.DATA, b"x" * 1000, stream=1)
    assert peer.raw(late * 600) == []
    updates = [f for f in sent_frames(peer.server.take()) if f[0] == Kind.WINDOW_UPDATE]
    assert [stream for _, _, stream, _ in updates] == [0]


def test_a_request_that_announces_its_length_is_held_to_it() -> None:
    peer = Peer()
    peer.open(extra=(("content-length", "6"),))
    peer.client.send_data(1, b"sixsix", end_stream=True)
    assert peer.exchange() == [Received(1, b"sixsix", 6), Ended(1)]
    peer.open(3, extra=(("content-length", "6"),))
    assert reason(peer.raw(frames.frame(Kind.DATA, b"seven..", flags=Flag.END_STREAM, stream=3)))


@pytest.mark.parametrize("announced", [True, False])
def test_a_long_request_passes_through_small_windows(announced: bool) -> None:
    peer = Peer()
    body = bytes(range(256)) * 16_000
    peer.open(extra=(("content-length", str(len(body))),) if announced else ())
    got, left = b"", memoryview(body)
    while left:
        room = min(peer.client.local_flow_control_window(1), 16_384, len(left))
        assert room, "the server gives nothing back"
        peer.client.send_data(1, bytes(left[:room]))
        left = left[room:]
        for event in peer.exchange():
            got += event.data
            peer.server.credit(1, event.size)
        peer.exchange()
    assert got == body


def test_a_request_that_nobody_reads_stops_at_its_window() -> None:
    peer = Peer()
    peer.open(1)
    peer.open(3)
    peer.client.send_data(1, b"x" * 16_000)
    peer.client.send_data(1, b"x" * 16_000)
    peer.client.send_data(1, b"x" * 16_000)
    peer.exchange()
    assert peer.client.local_flow_control_window(1) == 65_535 - 48_000
    assert peer.client.local_flow_control_window(3) == 65_535
    # Someone who sends more than he may loses his stream, and nobody else loses anything.
    told = peer.raw(frames.frame(Kind.DATA, b"x" * 16_000, stream=1) * 2)
    assert told[-1] == Reset(1)
    peer.client.send_data(3, b"fine")
    assert peer.exchange() == [Received(3, b"fine", 4)]


def test_all_requests_together_stop_at_what_may_be_held() -> None:
    peer = Peer(Connection(Limits(window=65_535, held=1000)))
    peer.open(1)
    peer.client.send_data(1, b"x" * 16_384)
    peer.client.send_data(1, b"x" * 16_384)
    peer.server.hold(2000)
    peer.exchange()
    peer.server.credit(1, 32_768)
    peer.client.send_data(1, b"x" * 16_384)
    peer.exchange()
    assert peer.client.outbound_flow_control_window == 65_535 - 3 * 16_384
    peer.server.hold(-2000)
    peer.exchange()
    assert peer.client.outbound_flow_control_window == 65_535


def test_a_long_response_passes_as_far_as_the_client_reads() -> None:
    peer = Peer()
    peer.open(1)
    peer.open(3)
    body = bytes(range(256)) * 2000
    for stream in (1, 3):
        peer.server.respond(stream, RESPONSE)
    assert not peer.server.send(1, body)
    peer.server.finish(1, TRAILERS)
    peer.exchange()
    assert len(peer.body(1)) == 65_535
    # The connection's window is used up as well, so the other stream waits for it, but not for the first stream.
    assert not peer.server.send(3, b"other")
    peer.client.increment_flow_control_window(100)
    peer.exchange()
    assert peer.body(3) == b"other"
    assert 3 in peer.server.drained()
    while len(peer.body(1)) < len(body):
        before = len(peer.body(1))
        peer.client.increment_flow_control_window(30_000, 1)
        peer.client.increment_flow_control_window(30_000)
        peer.exchange()
        assert before < len(peer.body(1)) <= before + 30_100
    assert peer.body(1) == body
    assert [e.stream_id for e in peer.got(h2.events.TrailersReceived)] == [1]


def test_streams_take_turns() -> None:
    peer = Peer()
    peer.raw(settings(INITIAL_WINDOW_SIZE=1_000_000) + frames.window_update(0, 10_000_000))
    peer.open(1)
    peer.open(3)
    peer.server.take()
    for stream in (1, 3):
        peer.server.respond(stream, RESPONSE)
        peer.server.send(stream, bytes(500_000))
    order = []
    while data := peer.server.take():
        order += [stream for kind, _, stream, _ in sent_frames(data) if kind == Kind.DATA]
    assert order.count(1) == order.count(3)
    # The first one was alone until the other came.
    assert order[8:24] in ([1, 3] * 8, [3, 1] * 8)


def test_what_waits_for_the_transport_is_bounded() -> None:
    peer = Peer()
    peer.raw(settings(INITIAL_WINDOW_SIZE=frames.MAX_WINDOW) + frames.window_update(0, frames.MAX_WINDOW - 65_535))
    peer.open()
    peer.server.take()
    peer.server.send(1, bytes(10_000_000))
    assert len(peer.server.take()) < 100_000


def test_windows_that_shrink_are_respected() -> None:
    peer = Peer()
    peer.open()
    peer.server.respond(1, RESPONSE)
    peer.server.send(1, b"x" * 1000)
    peer.exchange()
    peer.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 500})
    peer.exchange()
    assert not peer.server.send(1, b"y" * 100)
    peer.exchange()
    assert len(peer.body()) == 1000
    peer.client.increment_flow_control_window(550, 1)
    peer.exchange()
    assert len(peer.body()) == 1050


def test_pings_both_ways() -> None:
    peer = Peer()
    peer.client.ping(b"12345678")
    peer.exchange()
    (ack,) = peer.got(h2.events.PingAckReceived)
    assert ack.ping_data == b"12345678"
    peer.server.ping()
    assert peer.exchange() == [Ponged()]


def test_leaving_serves_what_is_open_and_refuses_what_is_new() -> None:
    peer = Peer()
    peer.open(1)
    # Opened before the client heard of it.
    peer.client.send_headers(3, [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "x")])
    new = peer.client.data_to_send()
    peer.server.go_away()
    leaving = sent_frames(peer.server.take())
    assert [(kind, payload[:8]) for kind, _, _, payload in leaving] == [(Kind.GOAWAY, b"\0\0\0\1\0\0\0\0")]
    assert peer.raw(new) == []
    ((kind, _, stream, code),) = sent_frames(peer.server.take())
    assert (kind, stream, code) == (Kind.RST_STREAM, 3, b"\0\0\0\7")
    peer.server.finish(1, RESPONSE + TRAILERS)
    assert [f[2] for f in sent_frames(peer.server.take())] == [1, 1]
    assert peer.server.streams == 0


def test_a_client_that_leaves_gets_its_answers() -> None:
    peer = Peer()
    peer.open(1)
    assert peer.raw(frames.go_away(0, Code.NO_ERROR)) == [PeerLeaves()]
    peer.server.finish(1, RESPONSE + TRAILERS)
    peer.exchange()
    assert peer.got(h2.events.StreamEnded)


def test_more_streams_than_are_served_are_refused_one_by_one() -> None:
    peer = Peer(Connection(Limits(streams=2)))
    for stream in (1, 3, 5):
        peer.open(stream)
    (refused,) = peer.got(h2.events.StreamReset)
    assert (refused.stream_id, refused.error_code) == (5, Code.REFUSED_STREAM)
    peer.client.reset_stream(1)
    assert peer.exchange() == [Reset(1)]
    assert isinstance(peer.open(7)[0], Requested)


def test_asking_for_more_streams_for_ever_ends_the_connection() -> None:
    peer = Peer(Connection(Limits(streams=1)))
    peer.open(1)
    broke = ""
    for stream in range(3, 2000, 2):
        peer.client.send_headers(stream, REQUEST)
        if broke := reason(peer.raw(peer.client.data_to_send())):
            break
    assert broke


def test_padding_counts_and_is_no_content() -> None:
    peer = Peer()
    peer.open()
    padded = frames.frame(Kind.DATA, b"\3abc\0\0\0", flags=Flag.PADDED, stream=1)
    assert peer.raw(padded) == [Received(1, b"abc", 7)]


BLOCK = b"\x82\x84\x87\x41\1x"
HEADERS = frames.frame(Kind.HEADERS, BLOCK, flags=Flag.END_HEADERS, stream=1)

VIOLATIONS = {
    "no preface": (b"GET / HTTP/1.1\r\n\r\n", Code.PROTOCOL_ERROR),
    "no settings first": (frames.PREFACE + frames.ping(b"12345678") * 2, Code.PROTOCOL_ERROR),
    "a frame that is too large": (GREETING + frames.frame_header(MAX := 16_385, 0, stream=1), Code.FRAME_SIZE_ERROR),
    "data without a stream": (GREETING + frames.frame(Kind.DATA, b"x"), Code.PROTOCOL_ERROR),
    "data for an idle stream": (GREETING + frames.frame(Kind.DATA, b"x", stream=1), Code.PROTOCOL_ERROR),
    "more padding than frame": (
        GREETING + HEADERS + frames.frame(Kind.DATA, b"\5abc", flags=Flag.PADDED, stream=1),
        Code.PROTOCOL_ERROR,
    ),
    "an empty increment": (GREETING + frames.window_update(0, 0), Code.FLOW_CONTROL_ERROR),
    "a window that overflows": (GREETING + frames.window_update(0, frames.MAX_WINDOW), Code.FLOW_CONTROL_ERROR),
    "a window for an idle stream": (GREETING + frames.window_update(5, 1), Code.PROTOCOL_ERROR),
    "a short window update": (GREETING + frames.frame(Kind.WINDOW_UPDATE, b"\0\0\1"), Code.FRAME_SIZE_ERROR),
    "a short ping": (GREETING + frames.frame(Kind.PING, b"1234567"), Code.FRAME_SIZE_ERROR),
    "a ping on a stream": (GREETING + frames.frame(Kind.PING, b"12345678", stream=1), Code.PROTOCOL_ERROR),
    "a stream opened by the server": (
        GREETING + frames.frame(Kind.HEADERS, BLOCK, flags=Flag.END_HEADERS, stream=2),
        Code.PROTOCOL_ERROR,
    ),
    "something between headers and their continuation": (
        GREETING + frames.frame(Kind.HEADERS, b"\x82", stream=1) + frames.ping(b"12345678"),
        Code.PROTOCOL_ERROR,
    ),
    "data between headers and their continuation": (
        GREETING + HEADERS + frames.frame(Kind.HEADERS, b"\x82", stream=3) + frames.frame(Kind.DATA, b"x", stream=1),
        Code.PROTOCOL_ERROR,
    ),
    "headers that cannot be decompressed": (
        GREETING + frames.frame(Kind.HEADERS, b"\xff" * 30, flags=Flag.END_HEADERS, stream=1),
        Code.PROTOCOL_ERROR,
    ),
    "a push": (GREETING + frames.frame(Kind.PUSH_PROMISE, b"\0\0\0\2", flags=4, stream=1), Code.PROTOCOL_ERROR),
    "a setting out of range": (GREETING + settings(INITIAL_WINDOW_SIZE=1 << 31), Code.FLOW_CONTROL_ERROR),
    "settings with a stray byte": (GREETING + frames.frame(Kind.SETTINGS, b"1234567"), Code.FRAME_SIZE_ERROR),
    "data for a closed window of the connection": (
        GREETING + HEADERS + frames.frame(Kind.DATA, b"x" * 16_384, stream=1) * 65,
        Code.FLOW_CONTROL_ERROR,
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations_end_the_connection_with_a_reason(name: str) -> None:
    data, code = VIOLATIONS[name]
    server = Connection(Limits(held=0, stream_window=frames.MAX_WINDOW))
    assert reason(server.receive(data, 0))
    kind, _, _, payload = sent_frames(server.take())[-1]
    assert (kind, int.from_bytes(payload[4:8], "big")) == (Kind.GOAWAY, code)
    # Nothing is done any more, whatever is asked.
    assert server.receive(frames.ping(b"12345678"), 1) == []
    server.send(1, b"x")
    server.finish(1, TRAILERS)
    server.reset(1, Code.CANCEL)
    assert server.take() == b""


def test_a_window_that_overflows_costs_its_stream_only() -> None:
    peer = Peer()
    peer.open(1)
    peer.open(3)
    assert peer.raw(frames.window_update(1, frames.MAX_WINDOW)) == [Reset(1)]
    assert peer.raw(frames.window_update(3, 0)) == [Reset(3)]
    assert not reason(peer.told)


def test_frames_of_unknown_kinds_are_ignored() -> None:
    peer = Peer()
    assert peer.raw(frames.frame(0xEE, b"whatever", flags=0xFF, stream=77)) == []


FLOODS = {
    "pings": frames.ping(b"12345678"),
    "settings": settings(MAX_CONCURRENT_STREAMS=10),
    "empty data": frames.frame(Kind.DATA, b"", stream=1),
    "priorities": frames.frame(Kind.PRIORITY, b"\0\0\0\0\1", stream=9),
    "windows": frames.window_update(0, 1),
    "unknown frames": frames.frame(0xEE, b""),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_the_connection(name: str) -> None:
    peer = Peer()
    peer.open()
    assert reason(peer.raw(FLOODS[name] * 2000))
    kind, _, _, payload = sent_frames(peer.server.take())[-1]
    assert (kind, int.from_bytes(payload[4:8], "big")) == (Kind.GOAWAY, Code.ENHANCE_YOUR_CALM)


def test_the_same_over_minutes_is_no_flood() -> None:
    peer = Peer()
    peer.open()
    for _ in range(300):
        peer.now += 1
        for frame in FLOODS.values():
            assert not reason(peer.raw(frame * 2))
        peer.server.take()


def test_answering_what_is_sent_is_no_flood() -> None:
    peer = Peer()
    peer.open()
    peer.server.respond(1, RESPONSE)
    for _ in range(1000):
        peer.server.send(1, b"x" * 100)
        peer.client.ping(b"12345678")
        peer.client.increment_flow_control_window(100)
        peer.client.increment_flow_control_window(100, 1)
        assert not reason(peer.exchange())


def test_streams_opened_and_reset_in_no_time_end_the_connection() -> None:
    peer = Peer()
    opened, broke = 0, ""
    for stream in range(1, 2001, 2):
        peer.client.send_headers(
            stream, [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "x")]
        )
        peer.client.reset_stream(stream)
        told = peer.raw(peer.client.data_to_send())
        opened += sum(isinstance(event, Requested) for event in told)
        if broke := reason(told):
            break
    assert broke
    assert opened <= 201


def test_headers_without_end_end_the_connection() -> None:
    peer = Peer()
    data = frames.frame(Kind.HEADERS, b"\x82", stream=1)
    data += frames.frame(Kind.CONTINUATION, b"\0\1a\x7f" + b"b" * 127, stream=1) * 2000
    assert reason(peer.raw(data))


def test_headers_that_are_too_long_end_the_connection() -> None:
    peer = Peer()
    peer.client.send_headers(
        1, [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "x"), ("x", "y" * 70_000)]
    )
    assert reason(peer.raw(peer.client.data_to_send()))


def test_who_does_not_read_answers_is_not_answered_for_ever() -> None:
    peer = Peer()
    broke = ""
    for _ in range(100_000):
        peer.now += 1
        if broke := reason(peer.raw(frames.ping(b"12345678"))):
            break
    assert "does not read" in broke


def conversation() -> bytes:
    """All that a client says in one connection with three calls, one of them with its length announced."""
    peer = Peer()
    client = peer.client
    data = GREETING
    for stream, extra in ((1, ()), (3, (("content-length", "300"),)), (5, ())):
        peer.client.send_headers(
            stream, [(":method", "POST"), (":path", "/a/b"), (":scheme", "https"), (":authority", "x"), *extra]
        )
        for at in range(3):
            client.send_data(stream, bytes([at]) * 100, pad_length=at or None, end_stream=at == 2 and stream < 5)
        client.ping(b"12345678")
        data += client.data_to_send()
    client.reset_stream(5)
    return data + client.data_to_send()


CONVERSATION = conversation()


def merged(told: list[object]) -> list[object]:
    return [event for event in told if not isinstance(event, Received)] + [
        (stream, bodies([e for e in told if isinstance(e, Received) and e.stream == stream])) for stream in (1, 3, 5)
    ]


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=60).map(sorted))
def test_how_bytes_are_portioned_makes_no_difference(cuts: list[int]) -> None:
    whole, pieces = Connection(), Connection()
    told = whole.receive(CONVERSATION, 0)
    assert len(told) == 3 + 9 + 2 + 1
    in_pieces = []
    for start, end in zip([0, *cuts], [*cuts, len(CONVERSATION)], strict=True):
        in_pieces += pieces.receive(CONVERSATION[start:end], 0)
    assert in_pieces == told
    assert pieces.take() == whole.take()
    assert bodies(told) == (b"\0" * 100 + b"\1" * 100 + b"\2" * 100) * 3


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10).map(sorted))
def test_noise_never_raises(noise: bytes, cuts: list[int]) -> None:
    server = Connection()
    server.receive(CONVERSATION[:400], 0)
    for start, end in zip([0, *cuts], [*cuts, len(noise)], strict=True):
        server.receive(noise[start:end], 0)
    server.take()


FRAMES = st.builds(
    frames.frame,
    st.integers(0, 10),
    st.binary(max_size=40),
    flags=st.integers(0, 255),
    stream=st.sampled_from([0, 1, 2, 3, 5, 7, 9, 0x7FFFFFFF]),
)


@given(st.lists(FRAMES, max_size=30))
def test_frames_of_any_content_never_raise(sent: list[bytes]) -> None:
    server = Connection()
    server.receive(CONVERSATION[:400], 0)
    for frame in sent:
        for event in server.receive(frame, 0):
            if isinstance(event, Requested):
                server.respond(event.stream, RESPONSE)
                server.send(event.stream, b"answer")
            if isinstance(event, Received):
                server.credit(event.stream, event.size)
            if isinstance(event, Ended):
                server.finish(event.stream, TRAILERS)
        server.take()
