"""Secrets that travel by SDS."""

from __future__ import annotations

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from ursa.envoy.values import Fields, serialised
from ursa.ir.tls import CertificateSecret, ValidationSecret


def secret_bytes(of: CertificateSecret | ValidationSecret) -> bytes:
    """Serialised `envoy.extensions.transport_sockets.tls.v3.Secret`."""
    content: Fields
    if isinstance(of, CertificateSecret):
        pair = {"certificate_chain": {"inline_bytes": of.chain}, "private_key": {"inline_bytes": of.key}}
        content = {"tls_certificate": pair}
    else:
        content = {"validation_context": {"trusted_ca": {"inline_bytes": of.ca}}}
    return serialised(Secret(name=of.name, **content))
