"""Both ends of TLS as a proxy sees them, and the secrets they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SanMatcher:
    """A condition on a subject alternative name of the peer's certificate.

    Attributes:
        type: `URI`, `DNS` or `IP_ADDRESS`.
        value: what the name must be, or begin with.
        prefix: whether `value` is only the beginning.
    """

    value: str
    type: str = "URI"
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class SdsValidation:
    """The peer is validated with a CA that arrives by SDS under the name `secret`."""

    secret: str
    sans: tuple[SanMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class InlineValidation:
    """The peer is validated with a CA that stands in the configuration."""

    ca: bytes
    sans: tuple[SanMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class FileValidation:
    """The peer is validated with the CAs in a file next to the proxy."""

    path: str
    sans: tuple[SanMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class InlineCertificate:
    """Certificate chain and private key, PEM."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileCertificate:
    """Paths of certificate chain and private key next to the proxy, PEM."""

    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class TlsParams:
    """Oldest and newest version, in Envoy's terms, and the ciphers; none stands for Envoy's own choice."""

    min_version: str = "TLS_AUTO"
    max_version: str = "TLS_AUTO"
    ciphers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DownstreamTls:
    """Server side. `certificate` is the name of an SDS secret, or of several of different sorts, or the pair itself."""

    certificate: str | tuple[str, ...] | InlineCertificate | FileCertificate
    validation: SdsValidation | InlineValidation | None = None
    require_client_certificate: bool = True
    params: TlsParams | None = None
    alpn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """Client side; `certificate` is the name of an SDS secret. An empty SNI is not sent."""

    sni: str
    certificate: str
    validation: SdsValidation
    alpn: tuple[str, ...] = ("kuma",)
    params: TlsParams | None = None


@dataclass(frozen=True, slots=True)
class ExternalTls:
    """Client side towards a server outside of the mesh; without validation any server is believed.

    Attributes:
        sni: empty when it is not sent.
        min_version: oldest version of TLS, in Envoy's terms; empty leaves the field out, as in `max_version`.
    """

    sni: str = ""
    validation: InlineValidation | FileValidation | None = None
    certificate: InlineCertificate | None = None
    allow_renegotiation: bool = False
    min_version: str = ""
    max_version: str = ""


@dataclass(frozen=True, slots=True)
class TlsMatch:
    """TLS for those endpoints of a cluster that have all the tags, for all of them when there are none."""

    name: str
    tags: tuple[tuple[str, str], ...]
    tls: UpstreamTls | ExternalTls


@dataclass(frozen=True, slots=True)
class CertificateSecret:
    """An SDS secret with certificate and key, PEM."""

    name: str
    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ValidationSecret:
    """An SDS secret with the certificates of an authority, PEM."""

    name: str
    ca: bytes
