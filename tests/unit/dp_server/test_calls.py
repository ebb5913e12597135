"""Calls of real gRPC clients over TLS, of both flavours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from tests.unit.dp_server.callers import SERVICE, Server, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as server:
        yield server


async def outcome(call: grpc.aio.Call) -> tuple[grpc.StatusCode, str]:
    return await call.code(), await call.details()


async def test_messages_of_many_sizes_pass_both_ways(server: Server) -> None:
    async with server.channel() as channel:
        call = channel.stream_stream(SERVICE + "echo")(timeout=30)
        for size in (0, 1, 5, 16_379, 16_384, 65_535, 70_000, 1_000_000, 4 * 1024 * 1024):
            message = bytes(range(256)) * (size // 256 + 1)
            await call.write(message[:size])
            assert await call.read() == message[:size]
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await outcome(call) == (grpc.StatusCode.OK, "")


async def test_every_kind_of_call(server: Server) -> None:
    async def three() -> AsyncIterator[bytes]:
        for message in (b"a", b"b", b"c"):
            yield message

    async with server.channel() as channel:
        assert await channel.unary_unary(SERVICE + "echo")(b"x", timeout=20) == b"x"
        assert [m async for m in channel.unary_stream(SERVICE + "echo")(b"x", timeout=20)] == [b"x"]
        assert [m async for m in channel.stream_stream(SERVICE + "echo")(three(), timeout=20)] == [b"a", b"b", b"c"]


async def test_the_blocking_client(server: Server) -> None:
    def call() -> None:
        with server.blocking_channel() as channel:
            assert channel.unary_unary(SERVICE + "echo")(b"x", timeout=20) == b"x"
            assert list(channel.stream_stream(SERVICE + "echo")(iter([b"a", b"b" * 100_000]), timeout=20)) == [
                b"a",
                b"b" * 100_000,
            ]
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(SERVICE + "refuse")(b"no", timeout=20)
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, "no")

    await asyncio.to_thread(call)


async def test_many_streams_of_one_connection(server: Server) -> None:
    async with server.channel() as channel:
        calls = [channel.stream_stream(SERVICE + "echo")(timeout=60) for _ in range(200)]
        for turn in range(3):
            await asyncio.gather(*(call.write(f"{turn} {at}".encode()) for at, call in enumerate(calls)))
            answers = await asyncio.gather(*(call.read() for call in calls))
            assert answers == [f"{turn} {at}".encode() for at in range(200)]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests(server: Server, compression: grpc.Compression) -> None:
    async with server.channel(compression=compression) as channel:
        call = channel.stream_stream(SERVICE + "echo")(timeout=20)
        for message in (b"x" * 100_000, b"short"):
            await call.write(message)
            assert await call.read() == message
        bomb = channel.unary_unary(SERVICE + "sizes")(bytes(5_000_000), timeout=20)
        assert (await outcome(bomb))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_that_is_too_large_ends_its_call_only(server: Server) -> None:
    async with server.channel(("grpc.max_send_message_length", -1)) as channel:
        good = channel.stream_stream(SERVICE + "echo")(timeout=20)
        await good.write(b"before")
        await good.read()
        code, text = await outcome(channel.unary_unary(SERVICE + "sizes")(bytes(4 * 1024 * 1024 + 1), timeout=20))
        assert (code, text) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "received message larger than max (4194305 vs. 4194304)",
        )
        await good.write(b"after")
        assert await good.read() == b"after"


@pytest.mark.parametrize(
    "text", ["plain", "100 % sure", "two\nlines\ttab", "Größe: 10 µs — „schön“", "%41", "x" * 8000, "\x7f"]
)
async def test_any_text_of_a_status_arrives(server: Server, text: str) -> None:
    async with server.channel(("grpc.max_metadata_size", 100_000)) as channel:
        call = channel.unary_unary(SERVICE + "refuse")(text.encode(), timeout=20)
        assert await outcome(call) == (grpc.StatusCode.UNKNOWN, text)


async def test_what_does_not_exist(server: Server) -> None:
    async with server.channel() as channel:
        call = channel.unary_unary(SERVICE + "other")(b"", timeout=20)
        text = "unknown method other for service test.Service"
        assert await outcome(call) == (grpc.StatusCode.UNIMPLEMENTED, text)


async def test_a_handler_that_fails_says_so_in_the_log_only(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with server.channel() as channel:
            call = channel.unary_unary(SERVICE + "crash")(b"", timeout=20)
            assert await outcome(call) == (grpc.StatusCode.UNKNOWN, "internal error")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "a secret" in str(record.exc_info[1])


async def test_metadata_and_peer(server: Server) -> None:
    async with server.channel() as channel:
        answer = await channel.unary_unary(SERVICE + "metadata")(
            b"", timeout=20, metadata=(("authorization", "token"), ("some-bin", b"\0\xff"))
        )
        token, peer = answer.decode().split()
        assert token == "token"
        assert peer.startswith("ipv4:127.0.0.1:")


async def test_a_deadline_ends_the_call_on_both_sides(server: Server) -> None:
    async with server.channel() as channel:
        call = channel.unary_unary(SERVICE + "wait")(b"", timeout=0.3)
        assert (await outcome(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_a_caller_that_gives_up_cancels_its_handler(server: Server) -> None:
    async with server.channel() as channel:
        call = channel.stream_stream(SERVICE + "wait")(timeout=60)
        await call.write(b"")
        await asyncio.wait_for(server.echo.entered.wait(), 5)
        call.cancel()
        await asyncio.wait_for(server.echo.cancelled.wait(), 5)
        assert await channel.unary_unary(SERVICE + "echo")(b"x", timeout=20) == b"x"


async def test_a_connection_that_goes_away_cancels_its_handlers(server: Server) -> None:
    channel = server.channel()
    call = channel.stream_stream(SERVICE + "wait")(timeout=60)
    await call.write(b"")
    await asyncio.wait_for(server.echo.entered.wait(), 5)
    await channel.close()
    await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_who_does_not_read_stops_only_its_own_stream(server: Server) -> None:
    async with server.channel(("grpc.http2.lookahead_bytes", 65_536)) as channel:
        stuck = channel.stream_stream(SERVICE + "pour")(timeout=60)
        await stuck.write(b"200000000")
        await asyncio.sleep(0.5)
        written = server.echo.written
        assert written < 500
        for _ in range(5):
            assert await channel.unary_unary(SERVICE + "echo")(b"x" * 100_000, timeout=20) == b"x" * 100_000
        assert server.echo.written < written + 200
        assert len(await stuck.read()) == 100_000


async def test_a_handler_that_does_not_read_stops_only_its_own_stream(server: Server) -> None:
    async with server.channel() as channel:
        stuck = channel.stream_stream(SERVICE + "ignore")(timeout=60)
        sent = 0

        async def write() -> None:
            nonlocal sent
            for _ in range(300):
                await stuck.write(bytes(10_000))
                sent += 1
            await stuck.done_writing()

        writing = asyncio.get_running_loop().create_task(write())
        await asyncio.wait_for(server.echo.entered.wait(), 5)
        await asyncio.sleep(0.5)
        assert sent < 50
        assert await channel.unary_unary(SERVICE + "echo")(b"x" * 200_000, timeout=20) == b"x" * 200_000
        server.echo.closing.set()
        assert await stuck.read() == b"300"
        await writing


async def test_shutting_down_lets_calls_end_in_order(server: Server) -> None:
    async with server.channel() as channel:
        call = channel.stream_stream(SERVICE + "wait")(timeout=60)
        await call.write(b"")
        await asyncio.wait_for(server.echo.entered.wait(), 5)
        async with asyncio.timeout(5):
            await server.server.close(60)
        assert await outcome(call) == (grpc.StatusCode.UNAVAILABLE, "shutting down")
