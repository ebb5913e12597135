"""Mutual TLS between replicas: whoever has a certificate of the common CA is one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import grpc

from ursa.identity.certificates import LeafIssuer
from ursa.identity.kept_authority import load_kept, request_for
from ursa.model.resource import Resource
from ursa.runtime.tls import load_pair
from ursa.runtime.tls_rules import TlsRules


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
    authority = load_kept(secret)
    leaf = LeafIssuer(authority).issue(request_for([address]), now_ns)
    return Credentials(authority.bundle_pem, leaf.certificate_pem, leaf.key_pem)
