"""MeshExternalServices as an egress reaches them: the servers outside of the mesh, and the TLS they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ursa.identity.data_sources import Load
from ursa.ir.naming import is_ip
from ursa.ir.tls import ExternalTls, FileValidation, InlineValidation, SanMatcher
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_dns_name
from ursa.topology.external_services import certificate_of, exact_sans

SKIP_SAN, SKIP_CA, SKIP_ALL = "SkipSAN", "SkipCA", "SkipAll"
"""What of the server's certificate is not checked."""

VERSIONS = {"TLSAuto": "TLS_AUTO", "TLS10": "TLSv1_0", "TLS11": "TLSv1_1", "TLS12": "TLSv1_2", "TLS13": "TLSv1_3"}


@dataclass(frozen=True, slots=True)
class MeshExternalService:
    """The servers behind a MeshExternalService.

    Attributes:
        servers: address and port of each.
        tls: None for plaintext.
        system_sans: names to check when the CAs of the egress' system count, None when they do not.
    """

    name: str
    servers: tuple[tuple[str, int], ...]
    tls: ExternalTls | None = None
    system_sans: tuple[SanMatcher, ...] | None = None

    def tls_with(self, system_ca: str) -> ExternalTls | None:
        """The TLS on an egress that has the CAs of its system at this path; an empty path means that it has none."""
        tls = self.tls
        if tls is not None and self.system_sans is not None and system_ca:
            return replace(tls, validation=FileValidation(system_ca, self.system_sans))
        if tls is not None and tls.validation is None:
            # Versions are asked for only where the server is checked at all.
            return replace(tls, min_version="", max_version="")
        return tls


def parse_mesh_external_service(resource: Resource, load: Load) -> MeshExternalService:
    """The servers in a resource; addresses that are neither hosts nor IP addresses are left out.

    Raises:
        BadRequest: a certificate or key is none.
        NotFound: a certificate or key it refers to is not there.
    """
    servers = tuple(_servers(resource.spec))
    tls: JsonObject = resource.spec.get("tls") or {}
    service = MeshExternalService(resource.name, servers)
    return _secured(service, tls, load) if tls.get("enabled") and servers else service


def _servers(spec: JsonObject) -> Iterator[tuple[str, int]]:
    for endpoint in spec.get("endpoints") or ():
        address = str(endpoint.get("address", ""))
        if is_ip(address) or is_dns_name(address):
            yield address, int(endpoint.get("port", 0))


def _secured(service: MeshExternalService, conf: JsonObject, load: Load) -> MeshExternalService:
    checks: JsonObject = conf.get("verification") or {}
    mode, first = checks.get("mode") or "Secured", service.servers[0][0]
    any_name, any_authority = mode in (SKIP_SAN, SKIP_ALL), mode in (SKIP_CA, SKIP_ALL)
    name = "" if any_name else checks.get("serverName") or ""
    sni = name or ("" if is_ip(first) else first)
    sans = () if any_name else (*exact_sans(sni or first), *_other_sans(checks))
    authority = None if any_authority else checks.get("caCert")
    versions: JsonObject = conf.get("version") or {}
    tls = ExternalTls(
        sni=sni,
        validation=InlineValidation(load(authority), sans) if authority else None,
        certificate=None if mode == SKIP_ALL else certificate_of(checks, load),
        allow_renegotiation=bool(conf.get("allowRenegotiation")),
        min_version=VERSIONS.get(versions.get("min") or "", ""),
        max_version=VERSIONS.get(versions.get("max") or "", ""),
    )
    return replace(service, tls=tls, system_sans=None if authority or any_authority else sans)


def _other_sans(checks: JsonObject) -> Iterator[SanMatcher]:
    for kind in ("DNS", "IP_ADDRESS"):
        for san in checks.get("subjectAltNames") or ():
            yield SanMatcher(str(san.get("value", "")), type=kind, prefix=san.get("type") == "Prefix")
