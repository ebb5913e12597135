"""Failures to connect are told in words that help, from what gRPC itself says in each case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from kds.connection import CallEnded, Connection
from kds.dialing import dial
from kds.failures import readable
from kds.transport import GLOBAL_SERVICE, HEALTH, call_metadata
from tests.servers.ports import free_port
from ursa.cli.keys import self_signed
from ursa.runtime.config.multizone import MultizoneZone


@asynccontextmanager
async def global_with(certificate: bytes | None, key: bytes = b"") -> AsyncIterator[int]:
    """The port of a gRPC server that shows this certificate, or speaks plaintext."""
    server = grpc.aio.server()
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()
    yield port
    await server.stop(None)


async def failure(address: str, root: Path | None = None) -> str:
    """What a zone says that cannot connect."""
    settings = MultizoneZone.model_validate(
        {"globalAddress": address, "kds": {"rootCaFile": "" if root is None else str(root)}}
    )
    async with await dial(settings) as channel:
        with pytest.raises(CallEnded) as caught:
            await asyncio.wait_for(
                Connection(channel, call_metadata("east"), probe_timeout=1).call(GLOBAL_SERVICE, HEALTH, b""),
                timeout=20,
            )
    return str(caught.value)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[bytes, bytes, Path]:
    """Certificate, key, and a file with the certificate, for `localhost`."""
    certificate, key = self_signed(["localhost"], server=True, elliptic=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate)
    return certificate, key, file


async def test_an_unknown_authority(pair: tuple[bytes, bytes, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(self_signed(["localhost"], server=True, elliptic=True)[0])
    async with global_with(pair[0], pair[1]) as port:
        told = await failure(f"grpcs://localhost:{port}", other)
    assert "the certificate is not trusted (" in told
    assert "multizone.zone.kds.rootCaFile" in told
    assert "SSL_ERROR" not in told


async def test_another_name(pair: tuple[bytes, bytes, Path]) -> None:
    async with global_with(pair[0], pair[1]) as port:
        told = await failure(f"grpcs://127.0.0.1:{port}", pair[2])
    assert told == (
        f"UNAVAILABLE: 127.0.0.1:{port}: the certificate is for another name than that of multizone.zone.globalAddress"
    )


async def test_tls_where_there_is_none(pair: tuple[bytes, bytes, Path]) -> None:
    async with global_with(None) as port:
        told = await failure(f"grpcs://127.0.0.1:{port}", pair[2])
    assert "there is no TLS at this port" in told


async def test_no_tls_where_it_is_needed(pair: tuple[bytes, bytes, Path]) -> None:
    async with global_with(pair[0], pair[1]) as port:
        told = await failure(f"grpc://127.0.0.1:{port}")
    assert "should the address begin with grpcs://" in told


async def test_a_file_without_certificate(tmp_path: Path, pair: tuple[bytes, bytes, Path]) -> None:
    empty = tmp_path / "key.pem"
    empty.write_bytes(pair[1])
    async with global_with(pair[0], pair[1]) as port:
        told = await failure(f"grpcs://localhost:{port}", empty)
    assert "there is no certificate in the file of multizone.zone.kds.rootCaFile" in told


async def test_nobody_there() -> None:
    port = free_port()
    assert await failure(f"grpc://127.0.0.1:{port}") == (
        f"UNAVAILABLE: 127.0.0.1:{port}: failed to connect to remote host: Connection refused"
    )


@pytest.mark.parametrize("text", ["", "a zone token is required", "no such call: last error"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert readable(text) == text
