"""What strangers send to ports: bytes that no server asked for, and where to send them."""

from __future__ import annotations

import random
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def listening_ports(pid: int) -> set[int]:
    """All TCP ports that a process listens on, by what the kernel says."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def client_hello(protocol: str) -> bytes:
    """How a TLS client begins that speaks only this protocol."""
    context = ssl.create_default_context()
    context.set_alpn_protocols([protocol])
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake needs an answer")


def messages() -> dict[str, bytes]:
    """One message of each sort, the same in every run."""
    noise = random.Random(7).randbytes(64_000)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    long = b"x" * 400_000
    return {
        "nothing": b"",
        "one byte": b"G",
        "noise": noise,
        "NUL bytes": bytes(50_000),
        "HTTP/1": REQUEST,
        "HTTP/0.9": b"GET /\r\n",
        "HTTP/1 that is not UTF-8": b"GET /\xff\x00?\xc3\x28=\xff HTTP/1.1\r\nHost: \xff\r\nX-\xe9: \xff\r\n\r\n",
        "HTTP/1 with an endless line": b"GET /" + long,
        "HTTP/1 with an endless header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + long,
        "HTTP/1 with two lengths": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1 with a wrong length": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: minus one\r\n\r\n",
        "HTTP/1 with a huge length": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n" + long,
        "HTTP/1 with broken chunks": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        "HTTP/2 without TLS": preface + b"\0\0\0\4\0\0\0\0\0" + noise[:1000],
        "HTTP/2 with a huge frame": preface + b"\xff\xff\xff\1\4\0\0\0\1" + noise[:1000],
        "TLS that breaks off": client_hello("h2")[:40],
        "TLS with another protocol": client_hello("nonsense"),
        "TLS with noise behind it": client_hello("h2") + noise[:1000],
        "TLS with an endless message": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + noise[:16_379],
        "TLS 1.0 alert": b"\x15\x03\x01\x00\x02\x02\x28",
    }


def send_raw(port: int, message: bytes, *, hard: bool = False, wait: float = 0.3) -> bytes:
    """Sends a message, reads for a moment what comes back, and leaves with FIN or with RST."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        if hard:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            connection.sendall(message)
            connection.settimeout(wait)
            return b"".join(_received(connection))
        except (ConnectionError, TimeoutError):
            return b""


def _received(connection: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = connection.recv(65_536)
        except TimeoutError:
            return
        if not data:
            return
        yield data
