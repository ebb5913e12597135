"""The zone connects over TLS to a global it can verify, to one it is told not to verify, and to no other."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kds.connection import CallEnded, ClientStream, Connection
from kds.dialing import dial, zone_token
from kds.server import KdsServer
from kds.transport import GLOBAL_SERVICE, HEALTH, call_metadata
from tests.unit.kds.lab import Global
from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import SystemClock, to_datetime
from ursa.runtime.config import load
from ursa.runtime.config.multizone import MultizoneZone
from ursa.runtime.tls import ReloadedPair, TlsFiles, grpc_credentials


def certificate(name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = to_datetime(SystemClock().now_ns())
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0] if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed.public_bytes(serialization.Encoding.PEM), pem


@pytest.fixture(params=["self-signed", "signed by a CA"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """Port of a global, and its certificate, which is valid for `global.example` only."""
    authority = None
    if request.param != "self-signed":
        authority = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]),
            ec.generate_private_key(ec.SECP256R1()),
        )
    cert, key = certificate("global.example", authority)
    files = TlsFiles(tmp_path / "c.pem", tmp_path / "k.pem")
    files.cert.write_bytes(cert)
    files.key.write_bytes(key)
    side = Global()
    await side.open()
    server = KdsServer(side.parts(), instance="global-1")
    port = await server.start("127.0.0.1:0", grpc_credentials(ReloadedPair(files)))
    yield port, files.cert
    await server.stop(0)
    await side.close()


def zone(port: int, **variables: str) -> MultizoneZone:
    address = {"KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://127.0.0.1:{port}"}
    return load(
        None, address | {f"KUMA_MULTIZONE_ZONE_KDS_{k.upper()}": v for k, v in variables.items()}
    ).settings.multizone.zone


async def check(settings: MultizoneZone) -> None:
    async with await dial(settings) as channel:
        await Connection(channel, call_metadata("zone-1"), probe_timeout=1).call(GLOBAL_SERVICE, HEALTH, b"")


async def test_whoever_is_there_is_trusted_if_verification_is_off(served: tuple[int, Path]) -> None:
    await check(zone(served[0], tls_skip_verify="true"))


async def test_a_certificate_for_another_name_is_refused(served: tuple[int, Path]) -> None:
    with pytest.raises(CallEnded) as refused:
        await check(zone(served[0], root_ca_file=str(served[1])))
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


async def test_an_unknown_certificate_is_refused(served: tuple[int, Path]) -> None:
    with pytest.raises(CallEnded):
        await check(zone(served[0]))


async def test_what_is_wrong_with_files_and_addresses_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read /nowhere"):
        await dial(zone(1, root_ca_file="/nowhere"))
    with pytest.raises(Unavailable, match=r"cannot reach 127\.0\.0\.1:1"):
        await dial(zone(1, tls_skip_verify="true"))
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert zone_token(zone(1, token_file=str(file)).kds) == "abc"
    assert zone_token(zone(1, token="xyz").kds) == "xyz"


class FailingCall:
    """A call that turns out to have failed on its own at the moment it is cancelled."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    async def read(self) -> object:
        await self._over.wait()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "refused")

    def cancel(self) -> bool:
        self._over.set()
        return False


async def test_giving_up_on_a_failing_call_leaves_nothing_unread(caplog: pytest.LogCaptureFixture) -> None:
    stream = ClientStream(FailingCall())  # type: ignore[arg-type] - what a stream uses of a call
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait((reading,))
    assert reading.cancelled()
    del reading, stream
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]
