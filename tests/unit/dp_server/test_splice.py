"""Two sockets as one, over real sockets: nothing lost, nothing hoarded, ends told apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from zone_cp.dp_server.splice import Splice, splice


@dataclass
class Joined:
    """A client's end, the server's end, and the splice between them."""

    client: socket.socket
    server: socket.socket
    splice: Splice
    lost: list[Splice]

    async def send(self, end: socket.socket, data: bytes) -> None:
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(end, data), 20)

    async def receive(self, end: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(end, count - len(data)), 20)
            if not piece:
                break
            data += piece
        return data

    async def until_lost(self) -> None:
        async with asyncio.timeout(10):
            while True:
                if self.lost:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def joined(folder: Path) -> AsyncIterator[Joined]:
    loop, lost = asyncio.get_running_loop(), list[Splice]()
    with socket.socket(socket.AF_UNIX) as listener, socket.create_server(("127.0.0.1", 0)) as front:
        listener.bind(str(folder / "s"))
        listener.listen()
        listener.setblocking(False)
        client = socket.create_connection(front.getsockname())
        client.setblocking(False)
        accepted, _ = front.accept()
        accepted.setblocking(False)
        made = await splice(accepted, str(folder / "s"), folder / "c", lost.append)
        server, _ = await loop.sock_accept(listener)
        try:
            yield Joined(client, server, made, lost)
        finally:
            made.close()
            client.close()
            server.close()


async def test_bytes_pass_both_ways(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        await ends.send(ends.client, b"question")
        assert await ends.receive(ends.server, 8) == b"question"
        await ends.send(ends.server, b"answer")
        assert await ends.receive(ends.client, 6) == b"answer"


async def test_a_slow_reader_stops_the_sender_and_loses_nothing(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        pattern = bytes(range(256)) * 64
        sent, stuck = 0, 0
        while stuck < 20:
            try:
                sent += ends.server.send(pattern[sent % len(pattern) :])
                stuck = 0
            except BlockingIOError:
                stuck += 1
                await asyncio.sleep(0.01)
            assert sent < 64 << 20, "the splice hoards what nobody reads"
        expected = (pattern * (sent // len(pattern) + 1))[:sent]
        assert await ends.receive(ends.client, sent) == expected
        await ends.send(ends.server, b"more")
        assert await ends.receive(ends.client, 4) == b"more"


async def test_an_end_that_is_half_closed_still_gets_its_answer(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        await ends.send(ends.client, b"last words")
        ends.client.shutdown(socket.SHUT_WR)
        assert await ends.receive(ends.server, 100) == b"last words"
        await ends.send(ends.server, b"farewell")
        ends.server.close()
        assert await ends.receive(ends.client, 100) == b"farewell"
        await ends.until_lost()


@pytest.mark.parametrize("first", ["client", "server"])
async def test_a_broken_end_breaks_the_other(tmp_path: Path, first: str) -> None:
    async with joined(tmp_path) as ends:
        breaking, other = (ends.client, ends.server) if first == "client" else (ends.server, ends.client)
        await ends.send(other, b"never read")
        await asyncio.sleep(0.1)
        breaking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        breaking.close()
        assert await ends.receive(other, 1) == b""
        other.close()
        await ends.until_lost()
        assert ends.lost == [ends.splice]


async def test_closing_closes_both_and_tells_once(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        ends.splice.close()
        ends.splice.close()
        assert await ends.receive(ends.client, 1) == b""
        assert await ends.receive(ends.server, 1) == b""
        assert ends.lost == [ends.splice]


async def test_nobody_behind_the_socket_leaves_the_client_to_the_caller(tmp_path: Path) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        with pytest.raises(OSError):
            await splice(left, str(tmp_path / "nobody"), tmp_path / "c", print)
        right.sendall(b"x")
        assert left.recv(1) == b"x"
