"""Bundles of one private key and its certificates, as gateways show them to clients outside of the mesh."""

from __future__ import annotations

import re

from cryptography.hazmat.primitives.asymmetric import rsa

from ursa.identity.pem import BadKeyMaterial, load_certificates, load_private_key
from ursa.ir.tls import InlineCertificate

RSA, ECDSA = "rsa", "ecdsa"
"""Kinds of keys; a listener may show one certificate of each."""

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----\n?", re.DOTALL)


def read_bundle(pem: bytes) -> tuple[str, InlineCertificate]:
    """The kind of the key in a PEM text, and the pair.

    Raises:
        BadKeyMaterial: it does not hold one private key and at least one certificate.
    """
    blocks = [(found[1], found[0]) for found in _BLOCK.finditer(pem)]
    keys = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    certificates = [block for label, block in blocks if label == b"CERTIFICATE"]
    if len(keys) > 1:
        raise BadKeyMaterial("secret contains multiple private keys")
    if not certificates:
        raise BadKeyMaterial("missing server certificate")
    if not keys:
        raise BadKeyMaterial("missing private key")
    chain = b"\n".join(block.rstrip(b"\n") for block in certificates) + b"\n"
    key = load_private_key(keys[0])
    if load_certificates(chain)[0].public_key() != key.public_key():
        raise BadKeyMaterial("private key does not belong to the server certificate")
    return RSA if isinstance(key, rsa.RSAPrivateKey) else ECDSA, InlineCertificate(chain, keys[0])
