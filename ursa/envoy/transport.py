"""TLS transport sockets."""

from __future__ import annotations

from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext, UpstreamTlsContext

from ursa.envoy.values import Fields, packed, wrapped
from ursa.ir.tls import DownstreamTls, InlineCertificate, InlineValidation, SanMatcher, SdsValidation, UpstreamTls

TRANSPORT_SOCKET = "envoy.transport_sockets.tls"


def sds(name: str) -> Fields:
    """A reference to a secret that comes over the same stream."""
    return {"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}}


def san(matcher: SanMatcher) -> Fields:
    """`SubjectAltNameMatcher`."""
    return {"san_type": matcher.type, "matcher": {"prefix" if matcher.prefix else "exact": matcher.value}}


def validation(of: SdsValidation | InlineValidation | None) -> Fields:
    """The part of `CommonTlsContext` that says how the peer is checked."""
    if of is None:
        return {}
    sans = [san(matcher) for matcher in of.sans]
    if isinstance(of, InlineValidation):
        context: Fields = {"trusted_ca": {"inline_bytes": of.ca}}
        if sans:
            context["match_typed_subject_alt_names"] = sans
        return {"validation_context": context}
    combined: Fields = {"default_validation_context": {"match_typed_subject_alt_names": sans}}
    combined["validation_context_sds_secret_config"] = sds(of.secret)
    return {"combined_validation_context": combined}


def certificate(of: str | InlineCertificate) -> Fields:
    """The part of `CommonTlsContext` that says who we are."""
    if isinstance(of, str):
        return {"tls_certificate_sds_secret_configs": [sds(of)]}
    pair = {"certificate_chain": {"inline_bytes": of.chain}, "private_key": {"inline_bytes": of.key}}
    return {"tls_certificates": [pair]}


def downstream(of: DownstreamTls) -> Fields:
    """Server side."""
    context = DownstreamTlsContext(
        common_tls_context={**certificate(of.certificate), **validation(of.validation)},
        require_client_certificate=wrapped(of.require_client_certificate),
    )
    return {"name": TRANSPORT_SOCKET, "typed_config": packed(context)}


def upstream(of: UpstreamTls) -> Fields:
    """Client side."""
    context = UpstreamTlsContext(
        sni=of.sni,
        common_tls_context={
            "alpn_protocols": list(of.alpn),
            **certificate(of.certificate),
            **validation(of.validation),
        },
    )
    return {"name": TRANSPORT_SOCKET, "typed_config": packed(context)}
