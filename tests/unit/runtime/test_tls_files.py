"""Files of certificates and keys: what servers show follows them, and half a rotation disturbs nobody."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ursa.cli.keys import self_signed
from ursa.errors import ConfigError
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.files import FollowedFile
from ursa.runtime.tls import ReloadedPair, TlsFiles, general_files, grpc_credentials, server_context
from ursa.runtime.tls_rules import TlsRules, server_rules


def make_pair(folder: Path) -> TlsFiles:
    """A new pair in the files of the test."""
    certificate, key = self_signed(["localhost", "127.0.0.1"], server=True, elliptic=True)
    files = TlsFiles(folder / "server.crt", folder / "server.key")
    files.cert.write_bytes(certificate)
    files.key.write_bytes(key)
    return files


def shown(port: int, **limits: ssl.TLSVersion) -> bytes:
    """The certificate that a server shows to a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if "maximum" in limits:
        context.maximum_version = limits["maximum"]
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def der(files: TlsFiles) -> bytes:
    return ssl.PEM_cert_to_DER_cert(files.cert.read_text())


async def test_a_grpc_server_shows_the_newest_certificate(tmp_path: Path) -> None:
    files = make_pair(tmp_path)
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", grpc_credentials(ReloadedPair(files)))
    await server.start()
    try:
        assert await asyncio.to_thread(shown, port) == der(files)
        before = der(files)
        make_pair(tmp_path)
        assert await asyncio.to_thread(shown, port) == der(files) != before
    finally:
        await server.stop(None)


async def test_half_a_rotation_keeps_the_last_pair(tmp_path: Path) -> None:
    files = make_pair(tmp_path)
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_context(ReloadedPair(files))
    )
    port = server.sockets[0].getsockname()[1]
    before = der(files)
    certificate, key = self_signed(["localhost"], server=True, elliptic=True)
    files.cert.write_bytes(certificate)
    assert await asyncio.to_thread(shown, port) == before, "the new certificate has no key yet"
    files.key.write_bytes(key)
    assert await asyncio.to_thread(shown, port) == der(files)
    files.key.unlink()
    assert await asyncio.to_thread(shown, port) == der(files), "what is gone is missed by nobody"
    server.close()
    await server.wait_closed()


async def test_old_versions_of_tls_can_be_refused(tmp_path: Path) -> None:
    rules = TlsRules(min_version="TLSv1_3")
    context = server_context(ReloadedPair(make_pair(tmp_path)), rules)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    assert await asyncio.to_thread(shown, port)
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(shown, port, maximum=ssl.TLSVersion.TLSv1_2)
    server.close()
    await server.wait_closed()
    for wrong in (TlsRules(min_version="SSLv3"), TlsRules(ciphers=("nonsense",))):
        with pytest.raises(ConfigError):
            server_context(ReloadedPair(make_pair(tmp_path)), wrong)


def test_a_followed_file_is_read_when_it_changes_and_kept_when_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(ConfigError, match="cannot read public key"):
        FollowedFile(path, "public key")
    path.write_text("one")
    followed = FollowedFile(path, "public key")
    assert followed.content() == b"one"
    path.write_text("three")
    assert followed.content() == b"three"
    path.unlink()
    assert followed.content() == b"three"


@pytest.mark.parametrize(
    ("suites", "kind"),
    [
        ("", ec.EllipticCurvePrivateKey),
        ("TLS_AES_128_GCM_SHA256", ec.EllipticCurvePrivateKey),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ec.EllipticCurvePrivateKey),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", rsa.RSAPrivateKey),
    ],
)
async def test_the_pair_a_control_plane_makes_itself_fits_the_suites_of_its_servers(
    tmp_path: Path, suites: str, kind: type
) -> None:
    variables = {"URSA_GENERAL_WORK_DIR": str(tmp_path), "URSA_DP_SERVER_TLS_CIPHER_SUITES": suites}
    settings = load(None, variables).settings
    files = general_files(settings, SystemClock())
    assert isinstance(serialization.load_pem_private_key(files.key.read_bytes(), None), kind)
    rules = server_rules(settings.dp_server, settings.general)
    server = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", ssl=server_context(ReloadedPair(files), rules)
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        old = {} if suites == "TLS_AES_128_GCM_SHA256" else {"maximum": ssl.TLSVersion.TLSv1_2}
        assert await asyncio.to_thread(shown, port, **old) == der(files)
    assert general_files(settings, SystemClock()) == files


def test_what_is_wrong_with_a_pair_is_told(tmp_path: Path) -> None:
    files = make_pair(tmp_path)
    files.key.unlink()
    with pytest.raises(ConfigError, match=rf"cannot read the TLS pair .*: {files.key}: no such file or directory$"):
        ReloadedPair(files)
    other = tmp_path / "other"
    other.mkdir()
    files.key.write_bytes(make_pair(other).key.read_bytes())
    with pytest.raises(ConfigError, match=r"certificate and key do not belong together$"):
        ReloadedPair(files)
