"""Mutual TLS between replicas: whoever has a certificate of the common CA is one."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass

import grpc

from ursa.identity.certificates import DAY, LeafIssuer, LeafRequest
from ursa.identity.envoy_admin import load_admin_ca
from ursa.model.resource import Resource
from ursa.runtime.tls import load_pair
from ursa.runtime.tls_rules import TlsRules

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

    def context(self, rules: TlsRules) -> ssl.SSLContext:
        """The same for a port with rules that gRPC cannot keep to; raises ConfigError when they are none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        rules.limit(context)
        load_pair(context, self.certificate, self.key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.authority.decode())
        context.set_alpn_protocols(list(rules.alpn))
        return context

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
