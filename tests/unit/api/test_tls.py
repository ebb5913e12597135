"""The API over TLS: client certificates, and that every file of keys and certificates is read anew when it changes."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.ports import free_port
from tests.unit.api.conftest import ControlPlane, Start
from ursa.api.context import ApiContext
from ursa.api.server import ApiServer
from ursa.cli.keys import public_half, self_signed, sign_for_user
from ursa.errors import ConfigError
from ursa.identity.pem import new_rsa_key, rsa_private_pem
from ursa.identity.user_tokens import UserClaims
from ursa.runtime.tls import TlsFiles

REMOTE = {"X-Forwarded-For": "1.2.3.4"}

Serve = Callable[..., Awaitable[int]]


def make_pair(folder: Path, name: str, *, server: bool = True) -> TlsFiles:
    """A new self-signed pair in files of this name, replacing an older one."""
    certificate, key = self_signed(["localhost", "127.0.0.1"], server=server, elliptic=True)
    files = TlsFiles(folder / f"{name}.crt", folder / f"{name}.key")
    for path, content in ((files.cert, certificate), (files.key, key)):
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)
    return files


@pytest.fixture
async def serve(start: Start, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves the API over TLS with the pair `server` of the test's folder; answers the port."""
    servers: list[ApiServer] = []

    async def run(**variables: str) -> int:
        port = free_port()
        plane: ControlPlane = await start(
            API_SERVER_HTTP_ENABLED="false",
            API_SERVER_HTTPS_INTERFACE="127.0.0.1",
            API_SERVER_HTTPS_PORT=str(port),
            DIAGNOSTICS_SERVER_PORT=str(free_port()),
            **variables,
        )
        context: ApiContext = plane.context(TlsFiles(tmp_path / "server.crt", tmp_path / "server.key"))
        server = ApiServer(context)
        servers.append(server)
        await server.start()
        return port

    yield run
    for server in servers:
        await server.close()


async def who_am_i(port: int, trusted: Path, client: TlsFiles | None = None, **headers: str) -> Any:
    """Whom the server takes for the caller, over a connection of its own."""
    context = ssl.create_default_context(cafile=str(trusted))
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}/who-am-i", ssl=context, headers={**REMOTE, **headers}) as response,
    ):
        return (await response.json()).get("name")


async def test_a_storm_of_connections_finds_a_place_while_the_server_is_busy(serve: Serve, tmp_path: Path) -> None:
    make_pair(tmp_path, "server")
    port = await serve()
    connections = []
    try:
        # Nothing here gives the server a turn.
        for _ in range(500):
            connections.append(socket.create_connection(("127.0.0.1", port), timeout=2))  # noqa: PERF401
    finally:
        for connection in connections:
            connection.close()


async def test_a_rotated_server_certificate_is_served_at_once(serve: Serve, tmp_path: Path) -> None:
    files = make_pair(tmp_path, "server")
    port = await serve()
    assert await who_am_i(port, files.cert) == "mesh-system:anonymous"
    shutil.copy(files.cert, tmp_path / "old.crt")
    make_pair(tmp_path, "server")
    assert await who_am_i(port, files.cert) == "mesh-system:anonymous"
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await who_am_i(port, tmp_path / "old.crt")


async def test_trusted_clients_come_and_go_without_restart(serve: Serve, tmp_path: Path) -> None:
    server = make_pair(tmp_path, "server")
    trusted = tmp_path / "clients"
    trusted.mkdir()
    port = await serve(API_SERVER_AUTHN_TYPE="adminClientCerts", API_SERVER_AUTH_CLIENT_CERTS_DIR=str(trusted))
    client = make_pair(tmp_path, "client", server=False)
    assert await who_am_i(port, server.cert) == "mesh-system:anonymous"
    shutil.copy(client.cert, trusted / "client.crt")
    assert await who_am_i(port, server.cert, client) == "mesh-system:admin"
    make_pair(tmp_path, "server")
    assert await who_am_i(port, server.cert, client) == "mesh-system:admin", "the server's rotation keeps its clients"
    assert await who_am_i(port, server.cert) == "mesh-system:anonymous"
    other = make_pair(tmp_path, "other", server=False)
    shutil.copy(other.cert, trusted / "client.crt")
    with pytest.raises(aiohttp.ClientError):
        await who_am_i(port, server.cert, client)
    assert await who_am_i(port, server.cert, other) == "mesh-system:admin"


async def test_a_client_certificate_can_be_required(serve: Serve, tmp_path: Path) -> None:
    server, client = make_pair(tmp_path, "server"), make_pair(tmp_path, "client", server=False)
    port = await serve(API_SERVER_HTTPS_REQUIRE_CLIENT_CERT="true", API_SERVER_HTTPS_TLS_CA_FILE=str(client.cert))
    assert await who_am_i(port, server.cert, client) == "mesh-system:anonymous", "known, but users need tokens"
    with pytest.raises(aiohttp.ClientError):
        await who_am_i(port, server.cert)


async def test_an_authority_that_cannot_be_read_stops_the_start(serve: Serve, tmp_path: Path) -> None:
    make_pair(tmp_path, "server")
    with pytest.raises(ConfigError, match="authorit"):
        await serve(API_SERVER_HTTPS_TLS_CA_FILE=str(tmp_path / "nowhere.crt"))


async def test_keys_that_others_sign_with_are_followed(start: Start, tmp_path: Path) -> None:
    """Tokens signed elsewhere are good by a key in a file; a new key in the file ends the old tokens."""
    first, second = (rsa_private_pem(new_rsa_key()) for _ in range(2))
    file, config = tmp_path / "public.pem", tmp_path / "config.yaml"
    file.write_bytes(public_half(first))
    config.write_text(
        "apiServer: {authn: {tokens: {validator: {useSecrets: false, "
        f"publicKeys: [{{kid: '7', keyFile: {file}}}]}}}}}}}}\n"
    )
    plane = await start(file=str(config))

    async def whom(pem: bytes, kid: str = "7") -> tuple[int, Any]:
        token = sign_for_user(pem, kid, UserClaims("jo"), 3600)
        return await plane.call("GET", "/who-am-i", **REMOTE, Authorization=f"Bearer {token}")

    assert (await whom(first))[1]["name"] == "jo"
    assert (await whom(second))[0] == 401
    assert (await whom(first, "8"))[0] == 401
    file.write_bytes(public_half(second) + b"\n")
    assert (await whom(second))[1]["name"] == "jo"
    assert (await whom(first))[0] == 401
    _, issued = await plane.call("POST", "/tokens/user", {"name": "a", "validFor": "1h"})
    assert (await plane.call("GET", "/who-am-i", **REMOTE, Authorization=f"Bearer {issued}"))[0] == 401, (
        "keys in secrets are not trusted"
    )
