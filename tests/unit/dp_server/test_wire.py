"""The dataplane port over real TLS, with clients that do what gRPC's own clients never do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import h2.events
import pytest
from h2.settings import SettingCodes

from tests.unit.dp_server.callers import SERVICE, RawClient, Server, raw_client, serving
from tests.unit.dp_server.http2.peer import GREETING, sent_frames
from ursa.errors import ConfigError
from ursa.runtime.clock import SystemClock
from ursa.runtime.tls import ensure_self_signed
from ursa.runtime.tls_rules import TlsRules
from zone_cp.dp_server.http2 import frames
from zone_cp.dp_server.http2.frames import Code, Kind
from zone_cp.dp_server.rpc.messages import prefix
from zone_cp.dp_server.server import DpServerSettings

GRPC = (("content-type", "application/grpc"), ("te", "trailers"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as server:
        yield server


def message(content: bytes) -> bytes:
    return prefix(len(content)) + content


def call(client: RawClient, method: str, *extra: tuple[str, str], body: bytes = b"", stream: int = 1) -> None:
    client.request((":method", "POST"), (":path", SERVICE + method), *GRPC, *extra, body=body, stream=stream)


async def test_the_frames_of_a_call(server: Server) -> None:
    async with raw_client(server) as client:
        call(client, "echo", body=message(b"x"))
        await client.until(h2.events.StreamEnded)
        assert client.body() == message(b"x")
        assert client.headers() == {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}
        kinds = [type(event).__name__ for event in client.seen if getattr(event, "stream_id", None) == 1]
        assert kinds == ["ResponseReceived", "DataReceived", "TrailersReceived", "StreamEnded"]


@pytest.mark.parametrize(
    ("method", "extra", "status", "text"),
    [
        ("other", (), "12", "unknown method other for service test.Service"),
        ("echo", (("grpc-encoding", "snappy"),), "12", "compression snappy is not supported"),
        ("echo", (("grpc-timeout", "soon"),), "13", "malformed grpc-timeout: soon"),
        ("crash", (), "2", "internal error"),
    ],
)
async def test_errors_are_one_frame(
    server: Server, method: str, extra: tuple[tuple[str, str], ...], status: str, text: str
) -> None:
    async with raw_client(server) as client:
        call(client, method, *extra)
        await client.until(h2.events.StreamEnded)
        assert not any(isinstance(event, h2.events.TrailersReceived) for event in client.seen)
        headers = client.headers()
        assert (headers[":status"], headers["grpc-status"], headers["grpc-message"]) == ("200", status, text)
        assert ("grpc-accept-encoding" in headers) == (status == "12")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (message(b"whole") + message(b"broken off")[:-1], "the last message is not complete"),
        (b"\1\0\0\0\1x", "a message has a flag that was not announced"),
        (b"\2\0\0\0\1x", "a message has a flag that was not announced"),
    ],
)
async def test_bodies_that_are_no_messages(server: Server, body: bytes, text: str) -> None:
    async with raw_client(server) as client:
        call(client, "sizes", body=body)
        await client.until(h2.events.StreamEnded)
        headers = client.headers()
        assert (headers["grpc-status"], headers["grpc-message"]) == ("13", text)


async def test_messages_split_anywhere_and_together(server: Server) -> None:
    async with raw_client(server) as client:
        client.request((":method", "POST"), (":path", SERVICE + "echo"), *GRPC, end=False)
        sent = b"".join(message(bytes([at]) * at) for at in range(40))
        for at in range(0, len(sent), 7):
            client.h2.send_data(1, sent[at : at + 7], end_stream=at + 7 >= len(sent))
        await client.until(h2.events.StreamEnded)
        assert client.body() == sent


async def test_a_window_of_a_few_bytes(server: Server) -> None:
    async with raw_client(server) as client:
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 3})
        call(client, "echo", body=message(b"0123456789"))
        while client.body() != message(b"0123456789"):
            before = len(client.body())
            await client.step()
            if len(client.body()) > before:
                assert len(client.body()) <= before + 3
                client.h2.increment_flow_control_window(len(client.body()) - before, 1)
        await client.until(h2.events.StreamEnded)


async def test_requests_that_are_not_grpc(server: Server) -> None:
    async with raw_client(server) as client:
        client.request((":method", "GET"), (":path", "/some/where?a=b"))
        client.request((":method", "POST"), (":path", "/p"), ("content-length", "5"), body=b"hello", stream=3)
        client.request((":method", "HEAD"), (":path", "/"), stream=5)
        client.request((":method", "POST"), (":path", "/p"), ("content-type", "application/grpc-web"), stream=7)
        client.request((":method", "POST"), (":path", "/p q"), stream=9)
        for stream in (1, 3, 5, 7, 9):
            await client.until(h2.events.StreamEnded, stream)
        assert client.body(1) == b"GET /some/where?a=b localhost True 127.0.0.1 "
        assert client.headers(1)["x-kind"] == "plain"
        assert client.body(3) == b"POST /p localhost True 127.0.0.1 hello"
        assert (client.headers(5)[":status"], client.body(5)) == ("201", b"")
        assert client.body(7).startswith(b"POST /p")
        assert client.headers(9)[":status"] == "400"


@pytest.mark.parametrize("size", [200_000, 2_100_000])
async def test_a_body_that_is_too_large(server: Server, size: int) -> None:
    async with raw_client(server) as client:
        client.h2.send_headers(
            1, [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/p")]
        )
        left = size
        while left and not any(isinstance(event, h2.events.StreamEnded) for event in client.seen):
            if room := min(left, client.h2.local_flow_control_window(1), 16_384):
                left -= room
                client.h2.send_data(1, bytes(room), end_stream=not left)
                client.writer.write(client.h2.data_to_send())
            else:
                await client.step()
        await client.until(h2.events.StreamEnded)
        assert client.headers()[":status"] == "413"


async def test_noise_inside_tls_ends_its_connection(server: Server) -> None:
    async with raw_client(server) as client, raw_client(server) as other:
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        data = await asyncio.wait_for(client.reader.read(), 5)
        assert data[-8 - len("the client does not speak HTTP/2") :].endswith(b"does not speak HTTP/2")
        call(other, "echo", body=message(b"x"))
        await other.until(h2.events.StreamEnded)


async def test_a_flood_ends_its_connection(server: Server) -> None:
    async with raw_client(server) as client, raw_client(server) as other:
        client.writer.write(client.h2.data_to_send() + frames.ping(b"12345678") * 20_000)
        end = await client.until(h2.events.ConnectionTerminated)
        assert end.error_code == Code.ENHANCE_YOUR_CALM
        call(other, "echo", body=message(b"x"))
        await other.until(h2.events.StreamEnded)


async def test_who_reads_nothing_at_all_costs_little(server: Server) -> None:
    async with raw_client(server) as client, raw_client(server) as other:
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: frames.MAX_WINDOW})
        client.h2.increment_flow_control_window(frames.MAX_WINDOW - 65_535)
        call(client, "pour", body=message(b"200000000"))
        client.writer.transport.pause_reading()
        client.writer.write(client.h2.data_to_send())
        await asyncio.sleep(0.5)
        stuck = server.echo.written
        assert stuck < 200
        call(other, "echo", body=message(b"x"))
        await other.until(h2.events.StreamEnded)
        assert server.echo.written == stuck
        client.writer.transport.resume_reading()
        while server.echo.written < stuck + 10:
            await client.step()


async def test_a_silent_client_is_pinged_and_cut_when_it_does_not_answer(tmp_path: Path) -> None:
    async with serving(tmp_path, DpServerSettings(keepalive=0.3)) as server, raw_client(server) as client:
        call(client, "wait", body=message(b""))
        await client.until(h2.events.PingReceived)
        for _ in range(2):
            client.seen.clear()
            await client.until(h2.events.PingReceived)
        # From now on it reads and says nothing.
        data = await asyncio.wait_for(client.reader.read(), 5)
        assert data[3] == Kind.PING
        await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_who_does_not_finish_its_handshake_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path, DpServerSettings(read_header_timeout=0.3)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        outgoing = ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        writer.write(outgoing.read())
        await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_a_client_that_breaks_off_cancels_its_calls(server: Server) -> None:
    async with raw_client(server) as client:
        call(client, "wait", body=message(b""))
        client.writer.write(client.h2.data_to_send())
        await asyncio.wait_for(server.echo.entered.wait(), 5)
        connection: socket.socket = client.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.writer.transport.abort()
        await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_leaving_says_so_and_closes_when_nothing_is_left(server: Server) -> None:
    async with raw_client(server) as client:
        call(client, "wait", body=message(b""))
        client.writer.write(client.h2.data_to_send())
        await asyncio.wait_for(server.echo.entered.wait(), 5)
        server.echo.closing.set()
        sent = sent_frames(await asyncio.wait_for(client.reader.read(), 5))
        last = [(kind, stream) for kind, _, stream, _ in sent]
        assert last[-3:] == [(Kind.GOAWAY, 0), (Kind.HEADERS, 1), (Kind.RST_STREAM, 1)] or last[-2:] == [
            (Kind.GOAWAY, 0),
            (Kind.HEADERS, 1),
        ]


async def test_a_new_certificate_is_served_and_open_connections_stay(server: Server, tmp_path: Path) -> None:
    async with raw_client(server) as client:
        call(client, "echo", body=message(b"x"))
        await client.until(h2.events.StreamEnded)
        old = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        fresh = ensure_self_signed(tmp_path / "fresh", SystemClock())
        server.files.cert.write_bytes(fresh.cert.read_bytes())
        server.files.key.write_bytes(fresh.key.read_bytes())
        async with raw_client(server) as other:
            assert other.writer.get_extra_info("ssl_object").getpeercert(binary_form=True) != old
            call(other, "echo", body=message(b"x"))
            await other.until(h2.events.StreamEnded)
        call(client, "echo", body=message(b"y"), stream=3)
        await client.until(h2.events.StreamEnded, 3)
        assert client.body(3) == message(b"y")


async def test_a_client_that_comes_back_resumes_its_session(server: Server) -> None:
    """What costs most of a handshake is left out when proxies come back."""

    def connect(session: ssl.SSLSession | None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        tls = context.wrap_socket(plain, server_hostname="localhost", session=session)
        tls.sendall(GREETING)
        tls.recv(1000)
        return tls

    context = ssl.create_default_context(cafile=str(server.files.cert))
    context.set_alpn_protocols(["h2"])
    first = await asyncio.to_thread(connect, None)
    session = first.session
    first.close()
    second = await asyncio.to_thread(connect, session)
    assert second.session_reused
    second.close()


async def test_versions_and_ciphers_of_tls(tmp_path: Path) -> None:
    cipher = "ECDHE-RSA-AES256-GCM-SHA384"
    settings = DpServerSettings(tls=TlsRules(max_version="TLSv1_2", ciphers=(cipher,)))
    async with serving(tmp_path, settings) as server, raw_client(server) as client:
        tls = client.writer.get_extra_info("ssl_object")
        assert (tls.version(), tls.cipher()[0]) == ("TLSv1.2", cipher)
        call(client, "echo", body=message(b"x"))
        await client.until(h2.events.StreamEnded)
    with pytest.raises(ConfigError):
        async with serving(tmp_path, DpServerSettings(tls=TlsRules(min_version="SSLv3"))):
            pass


@pytest.mark.parametrize("protocols", [None, ["http/1.1"], ["h2", "http/1.1"]])
async def test_clients_that_know_http_1_get_it(server: Server, protocols: list[str] | None) -> None:
    context = ssl.create_default_context(cafile=str(server.files.cert))
    if protocols is not None:
        context.set_alpn_protocols(protocols)
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"https://localhost:{server.port}/x", data=b"y" * 90_000) as answer,
    ):
        assert (answer.status, answer.version) == (201, aiohttp.HttpVersion11)
        assert (await answer.text()).endswith("True 127.0.0.1 " + "y" * 90_000)
