"""Keys, certificates and tokens made on this machine, without a control plane."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ursa.cli.failures import CommandFailed
from ursa.identity.pem import certificate_pem, new_rsa_key, private_pem, rsa_public_pem
from ursa.identity.signing_keys import ZONE_KEY, dataplane_key_prefix, secret
from ursa.identity.tokens import DataplaneClaims, ZoneClaims, issue_dataplane_token, issue_zone_token
from ursa.identity.user_tokens import USER_KEY, UserClaims, issue_user_token
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock, to_datetime

TEN_YEARS = timedelta(days=3650)


class OneKey:
    """A set of secrets that holds just the key at hand, under the name the issuer looks for."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def get(self, kind: str, mesh: str, name: str) -> Resource | None:
        return self._resource if self._resource.key == (kind, mesh, name) else None

    def list(self, kind: str, mesh: str | None = None) -> Iterable[Resource]:
        return [self._resource] if self._resource.kind == kind and mesh in (None, self._resource.mesh) else []


def sign_dataplane_token(pem: bytes, kid: str, claims: DataplaneClaims, seconds: float) -> str:
    """A dataplane token."""
    secrets = _secrets("Secret", claims.mesh, dataplane_key_prefix(claims.mesh), kid, pem)
    return issue_dataplane_token(secrets, SystemClock(), claims, seconds)


def sign_zone_token(pem: bytes, kid: str, claims: ZoneClaims, seconds: float) -> str:
    """A zone token."""
    return issue_zone_token(_secrets("GlobalSecret", "", ZONE_KEY, kid, pem), SystemClock(), claims, seconds)


def sign_user_token(pem: bytes, kid: str, claims: UserClaims, seconds: float) -> str:
    """A user token."""
    return issue_user_token(_secrets("GlobalSecret", "", USER_KEY, kid, pem), SystemClock(), claims, seconds)


def public_half(pem: bytes) -> bytes:
    """PEM of the public half of a signing key."""
    return rsa_public_pem(_signing_key(pem).public_key())


def self_signed(names: list[str], *, server: bool, elliptic: bool) -> tuple[bytes, bytes]:
    """PEM of a certificate for these host names or addresses, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1()) if elliptic else new_rsa_key()
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    now = to_datetime(SystemClock().now_ns())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + TEN_YEARS)
        .add_extension(x509.BasicConstraints(ca=server, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate_pem(certificate), private_pem(key)


def _secrets(kind: str, mesh: str, prefix: str, kid: str, pem: bytes) -> OneKey:
    _signing_key(pem)
    if not kid.isdecimal():
        raise CommandFailed("--kid is a number")
    return OneKey(secret(kind, mesh, f"{prefix}-{int(kid)}", pem))


def _signing_key(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CommandFailed("provided file is not a PEM-encoded signing key")
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
