"""Mutual TLS between replicas: whoever has a certificate of the common CA is one."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import grpc

from ursa.identity.certificates import DAY, LeafIssuer, LeafRequest
from ursa.identity.envoy_admin import load_admin_ca
from ursa.model.resource import Resource

SECRET = "inter-cp-ca"
LIFE = 3650 * DAY
"""No setting: the pair lives in the memory of one process, and is made anew with every start."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this replica shows, and whom it trusts; PEM."""

    authority: bytes
    certificate: bytes
    key: bytes

    def server(self) -> grpc.ServerCredentials:
        """For the port: callers must show a certificate."""
        pair = ((self.key, self.certificate),)
        return grpc.ssl_server_credentials(pair, self.authority, require_client_auth=True)

    def channel(self) -> grpc.ChannelCredentials:
        """For calls."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def issue_credentials(secret: Resource, address: str, now_ns: int) -> Credentials:
    """The credentials of a replica at this address by the CA in this GlobalSecret; raises BadKeyMaterial."""
    # A certificate and a key in one text, as the CA of Envoy's admin ports.
    authority = load_admin_ca(secret)
    request = LeafRequest(ips=(address,), life=LIFE) if _is_ip(address) else LeafRequest(dns=(address,), life=LIFE)
    leaf = LeafIssuer(authority).issue(request, now_ns)
    return Credentials(authority.bundle_pem, leaf.certificate_pem, leaf.key_pem)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
