"""The proxy a request is about: its own resource, or the one created beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ursa.errors import InvalidResource, NotFound, UrsaError, Violation
from ursa.model.dataplane import parse_dataplane
from ursa.model.documents import load_documents
from ursa.model.forms import from_rest
from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource
from ursa.view.view import View
from zone_cp.dp_server.bootstrap.metrics import aggregated_applications
from zone_cp.dp_server.bootstrap.refusals import TRANSPARENT_WITH_OUTBOUNDS, Broken
from zone_cp.dp_server.bootstrap.request import BootstrapRequest

KINDS: Mapping[str, str] = MappingProxyType(
    {"dataplane": "Dataplane", "ingress": "ZoneIngress", "egress": "ZoneEgress"}
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the bootstrap needs of a proxy's resource and mesh.

    Attributes:
        service: what it is counted under.
        address: its address, which only sidecars' launchers are told.
        exclusive: its mesh has only real MeshServices.
        applications: what the launcher gathers metrics from.
    """

    proxy_type: str
    mesh: str
    name: str
    service: str
    address: str
    admin_port: int
    builtin_gateway: bool
    exclusive: bool
    applications: tuple[JsonObject, ...]


def find_subject(request: BootstrapRequest, view: View, registry: Registry) -> Subject:
    """Finds and checks the proxy of a request.

    Raises:
        Broken: its type or its resource cannot be understood.
        InvalidResource: its resource breaks a rule, or its mesh does not exist.
        NotFound: it brings no resource and there is none.
    """
    proxy_type = request.proxy_type or "dataplane"
    if proxy_type not in KINDS:
        raise Broken(f"unknown proxy type {proxy_type!r}")
    resource = _resource(request, KINDS[proxy_type], view, registry)
    if proxy_type == "dataplane":
        return _sidecar(resource, view)
    admin = resource.spec.get("networking", {}).get("admin", {})
    return Subject(proxy_type, "", resource.name, proxy_type, "", int(admin.get("port", 0)), False, True, ())


def _resource(request: BootstrapRequest, kind: str, view: View, registry: Registry) -> Resource:
    if request.dataplane_resource:
        return _brought(request.dataplane_resource, kind, registry)
    found = view.get(kind, "" if registry[kind].global_scope else request.mesh, request.name)
    if found is None:
        raise NotFound(f"{kind} {request.name} does not exist")
    return found


def _brought(text: str, kind: str, registry: Registry) -> Resource:
    try:
        (document,) = load_documents(text)
        resource = from_rest(document, registry)
    except (UrsaError, ValueError) as error:
        raise Broken(f"could not parse the resource: {error}") from None
    if resource.kind != kind:
        raise Broken(f"expected a {kind}, got a {resource.kind}")
    if violations := registry[kind].validate(resource):
        raise InvalidResource(violations)
    return resource


def _sidecar(resource: Resource, view: View) -> Subject:
    mesh = view.get("Mesh", "", resource.mesh)
    if mesh is None:
        raise InvalidResource([Violation("mesh", f'mesh "{resource.mesh}" does not exist')])
    dataplane = parse_dataplane(resource)
    if dataplane.transparent is not None and dataplane.outbounds:
        raise TRANSPARENT_WITH_OUTBOUNDS
    return Subject(
        proxy_type="dataplane",
        mesh=resource.mesh,
        name=resource.name,
        service=dataplane.identifying_service,
        address=dataplane.address,
        admin_port=dataplane.admin_port,
        builtin_gateway=dataplane.builtin_gateway,
        exclusive=parse_mesh(mesh).exclusive,
        applications=aggregated_applications(mesh.spec, resource.spec),
    )
