"""MeshGateways as builtin gateways read them, with the certificates that their listeners show."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ursa.errors import UrsaError
from ursa.identity.data_sources import Load
from ursa.identity.pem import BadKeyMaterial
from ursa.identity.server_certificates import read_bundle
from ursa.ir.tls import CertificateSecret
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.planner.resolved import ReadFile, Resolved
from ursa.policies.core.subject import SubjectListener, gateway_listeners
from ursa.policies.legacy.gateways import ANY_HOST, gateway_of
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, parse_connection_policy
from ursa.view.view import Touched, View

HTTP, HTTPS, TCP, TLS = "HTTP", "HTTPS", "TCP", "TLS"
"""Protocols of listeners."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayListener:
    """One listener of a MeshGateway; several may share a port.

    Attributes:
        tags: of the MeshGateway and the listener together, sorted.
        terminates: whether TLS ends here.
        certificates: what is shown to clients then; none when they could not be read.
        connection_limit: 0 for none.
    """

    port: int
    protocol: str
    hostname: str
    tags: tuple[tuple[str, str], ...]
    terminates: bool = False
    cross_mesh: bool = False
    connection_limit: int = 0
    certificates: tuple[CertificateSecret, ...] = ()

    @property
    def http(self) -> bool:
        """Whether it looks into requests."""
        return self.protocol in (HTTP, HTTPS)


@dataclass(frozen=True, slots=True)
class GatewayForm:
    """A MeshGateway; `policy` has the selectors by which gateways find it."""

    policy: ConnectionPolicy
    listeners: tuple[GatewayListener, ...]

    @property
    def name(self) -> str:
        """Name in this control plane."""
        return self.policy.name

    def subjects(self, tags: Tags) -> tuple[SubjectListener, ...]:
        """Its listeners as policies see them, for a Dataplane with these tags."""
        return tuple(gateway_listeners(self.policy.resource, tags))


class GatewayIndex:
    """The MeshGateways of all meshes."""

    def __init__(self, read_file: ReadFile) -> None:
        self._forms = Resolved("MeshGateway", parse_gateway, read_file)

    def update(self, view: View, touched: Touched) -> set[str]:
        """Takes over a step of the view; returns the meshes in which one came, went or changed."""
        return {moved.key.mesh for moved in self._forms.update(view, touched)}

    def of(self, mesh: str, tags: Tags) -> GatewayForm | None:
        """The MeshGateway of a Dataplane with these tags, None when none selects it."""
        forms = {form.policy: form for form in self._forms.of(mesh)}
        chosen = gateway_of(forms, tags)
        return None if chosen is None else forms[chosen]


def parse_gateway(resource: Resource, load: Load) -> GatewayForm:
    """The MeshGateway in a resource; a listener whose certificates cannot be read has none, the others are kept."""
    listeners: Sequence[JsonObject] = resource.spec.get("conf", {}).get("listeners", ())
    own: Tags = resource.spec.get("tags", {})
    return GatewayForm(
        parse_connection_policy(resource), tuple(_listener(resource, own, listener, load) for listener in listeners)
    )


def _listener(resource: Resource, own: Tags, conf: JsonObject, load: Load) -> GatewayListener:
    tls: JsonObject = conf.get("tls", {})
    hostname = conf.get("hostname") or ANY_HOST
    terminates = tls.get("mode") == "TERMINATE"
    certificates: tuple[CertificateSecret, ...] = ()
    try:
        certificates = tuple(_certificates(tls.get("certificates", ()), hostname, load)) if terminates else ()
    except UrsaError as error:
        reason = {"resource": str(resource.key), "hostname": hostname, "error": str(error)}
        log.warning("gateway listener has no certificate", extra=reason)
    return GatewayListener(
        int(conf.get("port", 0)),
        conf.get("protocol", ""),
        hostname,
        tuple(sorted({**own, **conf.get("tags", {})}.items())),
        terminates=terminates,
        cross_mesh=bool(conf.get("crossMesh")),
        connection_limit=int(conf.get("resources", {}).get("connectionLimit", 0)),
        certificates=certificates,
    )


def _certificates(sources: Sequence[JsonObject], hostname: str, load: Load) -> Iterator[CertificateSecret]:
    names: set[str] = set()
    for source in sources:
        kind, pair = read_bundle(load(source))
        where, what = next((key, source[key]) for key in ("secret", "file", "inline", "inlineString") if key in source)
        name = f"cert.{kind}:{where}:{what if where in ('secret', 'file') else hostname}"
        if name in names:
            raise BadKeyMaterial(f'duplicate TLS certificate "{name}"')
        names.add(name)
        yield CertificateSecret(name, pair.chain, pair.key)
