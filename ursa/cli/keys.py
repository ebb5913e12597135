"""Keys, certificates and tokens made on this machine, without a control plane."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ursa.cli.failures import CommandFailed
from ursa.identity.pem import certificate_pem, new_rsa_key, private_pem, rsa_public_pem
from ursa.identity.tokens import DataplaneClaims, ZoneClaims, sign_dataplane_token, sign_zone_token
from ursa.identity.user_tokens import UserClaims, sign_user_token
from ursa.runtime.clock import SystemClock, to_datetime

TEN_YEARS = timedelta(days=3650)


def sign_for_dataplane(pem: bytes, kid: str, claims: DataplaneClaims, seconds: float) -> str:
    """A dataplane token."""
    return sign_dataplane_token(_signing_key(pem), kid, SystemClock(), claims, seconds)


def sign_for_zone(pem: bytes, kid: str, claims: ZoneClaims, seconds: float) -> str:
    """A zone token."""
    return sign_zone_token(_signing_key(pem), kid, SystemClock(), claims, seconds)


def sign_for_user(pem: bytes, kid: str, claims: UserClaims, seconds: float) -> str:
    """A user token."""
    return sign_user_token(_signing_key(pem), kid, SystemClock(), claims, seconds)


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
