"""PEM in and out, and key generation, so that the rest of this room speaks of keys and certificates only."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ursa.errors import UrsaError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

RSA_BITS = 2048
"""Size of the signing keys Kuma makes (`spec/dataplane.md` §4.2)."""


class BadKeyMaterial(UrsaError):
    """A PEM text that should hold a key or a certificate does not."""


def new_rsa_key(bits: int = RSA_BITS) -> rsa.RSAPrivateKey:
    """A fresh RSA key; takes tens of milliseconds, so never on an event loop in bulk."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    """A fresh key on P-256; signs ten times faster than RSA, for where nobody asks for RSA."""
    return ec.generate_private_key(ec.SECP256R1())


def rsa_private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#1 PEM (`RSA PRIVATE KEY`), the form in which Kuma stores signing keys."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def private_pem(key: PrivateKey) -> bytes:
    """PKCS#1 PEM of an RSA key, SEC1 PEM of an EC key."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def rsa_public_pem(key: rsa.RSAPublicKey) -> bytes:
    """PKCS#1 PEM (`RSA PUBLIC KEY`), the form in which zones get zone-token keys."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)


def load_private_key(pem: bytes) -> PrivateKey:
    """The RSA or EC private key in a PEM text; raises BadKeyMaterial."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise BadKeyMaterial(f"not a PEM private key: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise BadKeyMaterial(f"unsupported kind of private key: {type(key).__name__}")
    return key


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM text, at least one; raises BadKeyMaterial."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadKeyMaterial(f"not a PEM certificate: {error}") from None


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """PEM of one certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)
