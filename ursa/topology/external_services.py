"""ExternalServices: servers outside of the mesh known by tags, as endpoints and with the TLS they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ursa.errors import BadRequest
from ursa.identity.data_sources import Load
from ursa.ir.cluster import Endpoint
from ursa.ir.naming import is_ip
from ursa.ir.tls import ExternalTls, InlineCertificate, InlineValidation, SanMatcher, TlsMatch
from ursa.model.json import JsonObject
from ursa.model.labels import PROTOCOL_TAG, SERVICE_TAG, ZONE_TAG
from ursa.model.resource import Resource
from ursa.model.validation.addresses import host_and_port, is_dns_name
from ursa.topology.protocols import parse_protocol

NAME_TAG = "kuma.io/external-service-name"
"""Tells endpoints apart that need different TLS."""


@dataclass(frozen=True, slots=True)
class ExternalService:
    """A server outside of the mesh.

    Attributes:
        name: of the resource.
        tags: as declared, sorted.
        tls: None for plaintext.
    """

    name: str
    tags: tuple[tuple[str, str], ...]
    host: str
    port: int
    tls: ExternalTls | None = None

    @property
    def service(self) -> str:
        """Value of `kuma.io/service`."""
        return dict(self.tags).get(SERVICE_TAG, "")

    @property
    def protocol(self) -> str:
        """What it speaks."""
        return parse_protocol(dict(self.tags).get(PROTOCOL_TAG, ""))

    @property
    def zone(self) -> str:
        """The only zone from which it can be reached, empty for all."""
        return dict(self.tags).get(ZONE_TAG, "")

    @property
    def endpoint_tags(self) -> Mapping[str, str]:
        """The tags by which its endpoint finds its TLS."""
        return dict(self.tags) if self.tls is None else {**dict(self.tags), NAME_TAG: self.name}


def parse_external_service(resource: Resource, load: Load) -> ExternalService:
    """The ExternalService in a resource.

    Raises:
        BadRequest: it tells no server, or a certificate or key is none.
        NotFound: a certificate or key it refers to is not there.
    """
    tls: JsonObject = resource.spec.get("networking", {}).get("tls", {})
    host, port = external_address(resource)
    if not port or not (is_ip(host) or is_dns_name(host)):
        raise BadRequest(f'"{host}:{port}" is no address of a server')
    return ExternalService(
        name=resource.name,
        tags=tuple(sorted(resource.spec.get("tags", {}).items())),
        host=host,
        port=port,
        tls=_tls(tls, host, load) if tls.get("enabled") else None,
    )


def external_address(resource: Resource) -> tuple[str, int]:
    """Host and port of the server that an ExternalService means; the port is 0 when it is none."""
    host, port = host_and_port(resource.spec.get("networking", {}).get("address", "")) or ("", "")
    return host, int(port) if port.isdecimal() else 0


def tls_matches(services: Iterable[tuple[ExternalService, Endpoint]]) -> tuple[TlsMatch, ...]:
    """The TLS of each endpoint that asks for it, found by the endpoint's tags."""
    return tuple(
        TlsMatch(service.host, tuple(sorted(endpoint.tags.items())), service.tls)
        for service, endpoint in services
        if service.tls is not None
    )


def exact_sans(name: str) -> tuple[SanMatcher, ...]:
    """What a certificate must be for; a name may be a host or an address."""
    return (SanMatcher(name, type="DNS"), SanMatcher(name, type="IP_ADDRESS"))


def certificate_of(conf: JsonObject, load: Load) -> InlineCertificate | None:
    """The client certificate, when both halves are given."""
    if not conf.get("clientCert") or not conf.get("clientKey"):
        return None
    return InlineCertificate(load(conf["clientCert"]), load(conf["clientKey"]))


def _tls(conf: JsonObject, host: str, load: Load) -> ExternalTls:
    name = conf.get("serverName") or ""
    validation = None
    if conf.get("caCert"):
        sans = () if conf.get("skipHostnameVerification") else exact_sans(name or host)
        validation = InlineValidation(load(conf["caCert"]), sans)
    return ExternalTls(
        sni=name or ("" if is_ip(host) else host),
        validation=validation,
        certificate=certificate_of(conf, load),
        allow_renegotiation=bool(conf.get("allowRenegotiation")),
    )
