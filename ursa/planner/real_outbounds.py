"""Which ports of real services a proxy has outbounds for, and where they listen (`spec/xds.md` §2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ursa.model.dataplane import BackendRef, Dataplane
from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE
from ursa.model.mesh import Mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.planner.inputs import RealOutbound


def explicit_outbounds(dataplane: Dataplane, services: Sequence[RealService]) -> Iterator[RealOutbound]:
    """The outbounds that a Dataplane lists; a reference that means nothing is left out.

    A port is named by its number there, which is what policies for a section of the service compare with.
    """
    for outbound in dataplane.outbounds:
        ref = outbound.backend_ref
        service = next((s for s in services if _means(ref, s, dataplane)), None) if ref is not None else None
        port = _port(service, ref) if service is not None and ref is not None else None
        if service is not None and port is not None:
            yield RealOutbound(outbound.address, outbound.port, service, port, str(port.number))


def vip_outbounds(
    mesh: Mesh, dataplane: Dataplane, services: Iterable[RealService], *, unified: bool
) -> Iterator[RealOutbound]:
    """Every port of every service at its virtual addresses, or of those that the Dataplane says it needs."""
    own = {(inbound.address, inbound.port) for inbound in dataplane.inbounds}
    for service, port in _reachable(mesh, dataplane, services):
        # In the unified scheme a listener is called like the port, so there can be one only.
        for address in service.addresses[: 1 if unified else None]:
            if (address, port.number) not in own:
                yield RealOutbound(address, port.number, service, port, port.section, service.hostnames)


def _reachable(
    mesh: Mesh, dataplane: Dataplane, services: Iterable[RealService]
) -> Iterator[tuple[RealService, ServicePort]]:
    transparent = dataplane.transparent
    wanted = transparent.reachable_backends if transparent is not None else None
    listed = transparent is not None and bool(transparent.reachable_services)
    if wanted is None and (listed or mesh.mesh_services == "ReachableBackends"):
        return
    for service in services:
        refs = None if wanted is None else [ref for ref in wanted if _means(ref, service, dataplane)]
        for port in service.ports:
            if refs is None or any(ref.port in (0, port.number) for ref in refs):
                yield service, port


def _means(ref: BackendRef, service: RealService, dataplane: Dataplane) -> bool:
    """Whether a reference means a service: by its name here, by the name it has in the Dataplane's zone, by labels."""
    if ref.kind != service.kind:
        return False
    if not ref.name:
        labels = {DISPLAY_NAME: service.display_name, **service.labels}
        return bool(ref.labels) and ref.labels.items() <= labels.items()
    namespace = ref.namespace or dataplane.labels.get(NAMESPACE, "")
    place = (service.display_name, service.zone, service.namespace)
    return ref.name == service.name or (ref.name, dataplane.labels.get(ZONE, ""), namespace) == place


def _port(service: RealService, ref: BackendRef) -> ServicePort | None:
    return service.port(ref.port) if ref.port else next(iter(service.ports), None)
