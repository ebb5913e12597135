"""What outbounds lead to: clusters of tag services and of ports of real services (`spec/xds.md` §2.5, §5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ursa.ir import origins
from ursa.ir.cluster import EDS, Cluster, HttpOptions, LoadBalancer
from ursa.ir.plan import EdsReference, Reach
from ursa.ir.tls import SanMatcher, UpstreamTls
from ursa.model.labels import MESH_TAG, SERVICE_TAG
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, RealService, ServicePort
from ursa.planner.blocks import cross_mesh_client_tls, mesh_client_tls, service_san
from ursa.planner.external_outbounds import EGRESS_SERVICE, external_cluster, http_options
from ursa.planner.inputs import ExternalOutbound, OutboundInputs
from ursa.topology.destinations import cluster_name, sni_of_service, sni_of_tags, without_service


@dataclass(frozen=True, slots=True)
class TagBackend:
    """Instances known by tags.

    Attributes:
        tls: whether they accept mesh TLS.
        outside: how to reach them if they are outside of the mesh.
    """

    tags: Mapping[str, str]
    protocol: str
    tls: bool
    outside: ExternalOutbound | None = None

    @property
    def external(self) -> bool:
        """Whether it is outside of the mesh."""
        return self.outside is not None


@dataclass(frozen=True, slots=True)
class RealBackend:
    """A port of a real service, as a reference names it."""

    service: RealService
    port: ServicePort
    section: str

    @property
    def protocol(self) -> str:
        """What is spoken at the port."""
        return self.port.protocol

    @property
    def carried(self) -> str:
        """What its instances speak, if they say more than the port: in the old scheme timeouts of clusters go by it."""
        return self.port.carried or self.port.protocol

    @property
    def kri(self) -> str:
        """Its identifier."""
        return self.service.kri(self.section)

    @property
    def external(self) -> bool:
        """Whether it is outside of the mesh."""
        return self.service.kind == MESH_EXTERNAL_SERVICE


Backend: TypeAlias = TagBackend | RealBackend


def backend_name(backend: Backend, *, unified: bool) -> str:
    """Name of its cluster."""
    if isinstance(backend, TagBackend):
        return _tag_name(backend.tags)
    return backend.kri if unified else backend.service.legacy_name(backend.port.number)


def tag_backend(tags: Mapping[str, str], protocol: str, inputs: OutboundInputs, *, tls: bool) -> TagBackend:
    """The instances with these tags."""
    outside = next((one for one in inputs.external if one.service == tags[SERVICE_TAG]), None)
    return TagBackend(tags, protocol, tls, outside)


def backend_cluster(backend: Backend, inputs: OutboundInputs, balancer: LoadBalancer | None = None) -> Cluster:
    """Its cluster."""
    cluster = _tag_cluster(backend, inputs) if isinstance(backend, TagBackend) else _real_cluster(backend, inputs)
    cluster.balancer = balancer
    return cluster


def backend_endpoints(backend: Backend, mesh: str) -> EdsReference:
    """Whose endpoints its cluster has."""
    if isinstance(backend, TagBackend):
        if (other := backend_mesh(backend, mesh)) != mesh:
            tags = {key: value for key, value in without_service(backend.tags).items() if key != MESH_TAG}
            return EdsReference(other, backend.tags[SERVICE_TAG], tuple(tags.items()), Reach.ENTRANCES)
        return EdsReference(mesh, backend.tags[SERVICE_TAG], tuple(without_service(backend.tags).items()))
    return EdsReference(mesh, backend.service.endpoints(backend.port.number))


def backend_mesh(backend: Backend, mesh: str) -> str:
    """The mesh that it is in, for proxies in this one."""
    return backend.tags.get(MESH_TAG, mesh) if isinstance(backend, TagBackend) else mesh


def _tag_name(tags: Mapping[str, str]) -> str:
    """What is in another mesh is called after that, too."""
    if MESH_TAG not in tags:
        return cluster_name(tags)
    own = {key: value for key, value in tags.items() if key != MESH_TAG}
    return f"{cluster_name(own)}_{tags[MESH_TAG]}"


def _tag_cluster(backend: TagBackend, inputs: OutboundInputs) -> Cluster:
    mesh, tags = inputs.mesh, backend.tags
    if backend.outside is not None:
        cluster = external_cluster(backend.outside, tags, mesh.name, backend.protocol, inputs.scheme)
    else:
        cluster = Cluster(_tag_name(tags), EDS, origins.OUTBOUND, http=HttpOptions(2))
        if mesh.mtls and (other := backend_mesh(backend, mesh.name)) != mesh.name:
            sni = sni_of_tags(tags, mesh.name)
            cluster.tls = cross_mesh_client_tls(mesh.name, other, sni, tags[SERVICE_TAG], inputs.scheme)
        elif mesh.mtls and backend.tls:
            sans = (service_san(mesh.name, tags[SERVICE_TAG]),)
            cluster.tls = mesh_client_tls(mesh.name, sni_of_tags(tags, mesh.name), sans, inputs.scheme)
    cluster.tags, cluster.protocol = tags, backend.protocol
    return cluster


def _real_cluster(backend: RealBackend, inputs: OutboundInputs) -> Cluster:
    # Proxies speak HTTP/2 with each other; an egress hands on what it gets, so there it is what the server speaks.
    by_egress = backend.external and inputs.egress
    return Cluster(
        backend_name(backend, unified=inputs.scheme.unified),
        EDS,
        origins.OUTBOUND,
        http=http_options(backend.protocol) if by_egress else HttpOptions(2),
        tls=_real_tls(backend, inputs),
        protocol=backend.protocol if inputs.scheme.unified else backend.carried,
        resource_origin=backend.kri,
        external=backend.external,
    )


def _real_tls(backend: RealBackend, inputs: OutboundInputs) -> UpstreamTls | None:
    mesh, service = inputs.mesh, backend.service
    if mesh.backend is None:
        return None
    ready = inputs.egress if backend.external else service.tls or not mesh.backend.permissive
    if not ready:
        return None
    if backend.external:
        sans: tuple[SanMatcher, ...] = (service_san(mesh.name, EGRESS_SERVICE),)
    else:
        known = tuple(SanMatcher(identity) for identity in service.identities)
        sans = known or (SanMatcher(f"spiffe://{mesh.name}/", prefix=True),)
    sni = sni_of_service(service, backend.port.number, system_namespace=inputs.settings.system_namespace)
    return mesh_client_tls(mesh.name, sni, sans, inputs.scheme)
