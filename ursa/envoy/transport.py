"""TLS transport sockets."""

from __future__ import annotations

from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext, UpstreamTlsContext

from ursa.envoy.values import Fields, packed, present, wrapped
from ursa.ir.tls import (
    DownstreamTls,
    ExternalTls,
    FileCertificate,
    FileValidation,
    InlineCertificate,
    InlineValidation,
    SanMatcher,
    SdsValidation,
    TlsParams,
    UpstreamTls,
)

TRANSPORT_SOCKET = "envoy.transport_sockets.tls"


def sds(name: str) -> Fields:
    """A reference to a secret that comes over the same stream."""
    return {"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}}


def san(matcher: SanMatcher) -> Fields:
    """`SubjectAltNameMatcher`."""
    return {"san_type": matcher.type, "matcher": {"prefix" if matcher.prefix else "exact": matcher.value}}


def validation(of: SdsValidation | InlineValidation | FileValidation | None) -> Fields:
    """The part of `CommonTlsContext` that says how the peer is checked."""
    if of is None:
        return {}
    sans = [san(matcher) for matcher in of.sans]
    if not isinstance(of, SdsValidation):
        source: Fields = {"inline_bytes": of.ca} if isinstance(of, InlineValidation) else {"filename": of.path}
        context: Fields = {"trusted_ca": source}
        if sans:
            context["match_typed_subject_alt_names"] = sans
        return {"validation_context": context}
    combined: Fields = {"default_validation_context": {"match_typed_subject_alt_names": sans}}
    combined["validation_context_sds_secret_config"] = sds(of.secret)
    return {"combined_validation_context": combined}


def certificate(of: str | tuple[str, ...] | InlineCertificate | FileCertificate) -> Fields:
    """The part of `CommonTlsContext` that says who we are."""
    if isinstance(of, str | tuple):
        names = (of,) if isinstance(of, str) else of
        return {"tls_certificate_sds_secret_configs": [sds(name) for name in names]}
    source = "filename" if isinstance(of, FileCertificate) else "inline_bytes"
    pair = {"certificate_chain": {source: of.chain}, "private_key": {source: of.key}}
    return {"tls_certificates": [pair]}


def downstream(of: DownstreamTls) -> Fields:
    """Server side."""
    common = {**certificate(of.certificate), **validation(of.validation), **_params(of.params)}
    context = DownstreamTlsContext(
        common_tls_context={**common, "alpn_protocols": list(of.alpn)},
        require_client_certificate=wrapped(of.require_client_certificate),
    )
    return {"name": TRANSPORT_SOCKET, "typed_config": packed(context)}


def upstream(of: UpstreamTls | ExternalTls) -> Fields:
    """Client side."""
    fields = _in_mesh(of) if isinstance(of, UpstreamTls) else _outside(of)
    return {"name": TRANSPORT_SOCKET, "typed_config": packed(UpstreamTlsContext(**fields))}


def _in_mesh(of: UpstreamTls) -> Fields:
    common = {"alpn_protocols": list(of.alpn), **certificate(of.certificate), **validation(of.validation)}
    common |= _params(of.params)
    return {"sni": of.sni, "common_tls_context": common}


def _params(of: TlsParams | None) -> Fields:
    if of is None:
        return {}
    params: Fields = {
        "tls_minimum_protocol_version": of.min_version,
        "tls_maximum_protocol_version": of.max_version,
        "cipher_suites": list(of.ciphers),
    }
    return {"tls_params": params}


def _outside(of: ExternalTls) -> Fields:
    fields: Fields = {"sni": of.sni, "allow_renegotiation": of.allow_renegotiation}
    common = validation(of.validation)
    if of.certificate is not None:
        common |= certificate(of.certificate)
    versions = present(
        tls_minimum_protocol_version=of.min_version or None, tls_maximum_protocol_version=of.max_version or None
    )
    if versions:
        common["tls_params"] = versions
    if common:
        fields["common_tls_context"] = common
    return fields
