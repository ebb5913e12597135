"""Certificate authorities: the builtin one of a mesh, and the small ones control planes use among themselves.

A CA is a certificate and its key, kept in Secrets under Kuma's names, so that every control plane that has the Secrets
(the global and, through KDS, all zones) signs for the same mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from ursa.identity.pem import (
    BadKeyMaterial,
    PrivateKey,
    certificate_pem,
    load_certificates,
    load_private_key,
    new_rsa_key,
    private_pem,
)
from ursa.runtime.clock import to_datetime

BACKDATE = timedelta(seconds=10)
"""How far `notBefore` lies in the past, for clocks that are a little behind (`spec/dataplane.md` §5.1)."""

TEN_YEARS = timedelta(days=3650)
"""Life of a CA when nothing else is configured (`spec/dataplane.md` §5.1)."""


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A certificate that may sign others, with its key. `bundle_pem` is what verifiers are given."""

    certificate: x509.Certificate
    key: PrivateKey
    bundle_pem: bytes
    key_pem: bytes

    @classmethod
    def load(cls, bundle_pem: bytes, key_pem: bytes) -> CertificateAuthority:
        """Reads a CA from PEM texts; the first certificate signs.

        Raises:
            BadKeyMaterial: one of them is not what it should be, or they do not belong together.
        """
        certificate = load_certificates(bundle_pem)[0]
        key = load_private_key(key_pem)
        if certificate.public_key() != key.public_key():
            raise BadKeyMaterial("certificate and private key of the authority do not belong together")
        return cls(certificate, key, bundle_pem, key_pem)


def builtin_cert_secret(mesh: str, backend: str) -> str:
    """Name of the Secret with the certificate of a builtin CA backend."""
    return f"{mesh}.ca-builtin-cert-{backend}"


def builtin_key_secret(mesh: str, backend: str) -> str:
    """Name of the Secret with the key of a builtin CA backend."""
    return f"{mesh}.ca-builtin-key-{backend}"


def create_mesh_ca(mesh: str, now_ns: int, *, bits: int = 2048, life: timedelta = TEN_YEARS) -> CertificateAuthority:
    """A new builtin CA of a mesh: RSA, subject and SPIFFE name as Kuma writes them."""
    subject = _subject(mesh)
    return create_ca(subject, [x509.UniformResourceIdentifier(f"spiffe://{mesh}")], now_ns, bits=bits, life=life)


def create_named_ca(common_name: str, now_ns: int, *, key: PrivateKey | None = None) -> CertificateAuthority:
    """A new CA for traffic between control planes and proxies' admin ports; with a fresh RSA key if there is none."""
    return create_ca(_subject(common_name), [], now_ns, key=key)


def create_ca(
    subject: x509.Name,
    names: list[x509.GeneralName],
    now_ns: int,
    *,
    bits: int = 2048,
    life: timedelta = TEN_YEARS,
    key: PrivateKey | None = None,
) -> CertificateAuthority:
    """A new self-signed CA, with a fresh RSA key if none is given."""
    key = key or new_rsa_key(bits)
    now = to_datetime(now_ns)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_ca_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return CertificateAuthority(certificate, key, certificate_pem(certificate), private_pem(key))


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kuma"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Mesh"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
