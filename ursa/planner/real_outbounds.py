"""Which ports of real services a proxy has outbounds for, and where they listen (`spec/xds.md` §2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ursa.model.dataplane import BackendRef, Dataplane
from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE
from ursa.model.mesh import Mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.planner.inputs import RealOutbound


def explicit_outbounds(dataplane: Dataplane, services: Sequence[RealService]) -> Iterator[RealOutbound]:
    """The outbounds that a Dataplane lists; a reference that means nothing is left out.

    A port is named by its number there, which is what policies for a section of the service compare with.
    """
    zone, namespace = dataplane.labels.get(ZONE, ""), dataplane.labels.get(NAMESPACE, "")
    for outbound in dataplane.outbounds:
        if (ref := outbound.backend_ref) is None:
            continue
        service = next((one for one in services if _means(ref, one, zone, namespace)), None)
        port = None if service is None else _port(service, ref)
        if service is not None and port is not None:
            yield RealOutbound(outbound.address, outbound.port, service, port, str(port.number))


@dataclass(frozen=True, slots=True)
class Reachable:
    """Which real services a proxy may need.

    Attributes:
        refs: those it lists; None for all.
        zone, namespace: from where names are read.
        unified: whether the names of its resources are of the unified scheme.
    """

    refs: tuple[BackendRef, ...] | None
    zone: str
    namespace: str
    unified: bool


class VipOutbounds:
    """Outbounds at virtual addresses, made once for all proxies that may need the same services."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Sequence[RealService], dict[Reachable, _Found]]] = {}

    def of(
        self, mesh: Mesh, dataplane: Dataplane, services: Sequence[RealService], *, unified: bool
    ) -> tuple[RealOutbound, ...]:
        """Every port of every service at its virtual addresses, or of those that the Dataplane says it needs.

        Args:
            mesh: the mesh.
            dataplane: the proxy's.
            services: those of the mesh, the same object for as long as none of them changes.
            unified: whether the names of the proxy's resources are of the unified scheme.
        """
        known = self._known.get(mesh.name)
        if known is None or known[0] is not services:
            known = self._known[mesh.name] = (services, {})
        reachable = _reachable(mesh, dataplane, unified=unified)
        found = known[1].get(reachable)
        if found is None:
            made = tuple(_at_addresses(reachable, services))
            found = known[1][reachable] = _Found(made, frozenset((o.address, o.port) for o in made))
        own = {(inbound.address, inbound.port) for inbound in dataplane.inbounds}
        if own.isdisjoint(found.places):
            return found.outbounds
        return tuple(o for o in found.outbounds if (o.address, o.port) not in own)


@dataclass(frozen=True, slots=True)
class _Found:
    """Outbounds, and where they listen."""

    outbounds: tuple[RealOutbound, ...]
    places: frozenset[tuple[str, int]]


def _reachable(mesh: Mesh, dataplane: Dataplane, *, unified: bool) -> Reachable:
    transparent = dataplane.transparent
    refs = transparent.reachable_backends if transparent is not None else None
    listed = transparent is not None and bool(transparent.reachable_services)
    if refs is None and (listed or mesh.mesh_services == "ReachableBackends"):
        refs = ()
    if not refs:
        return Reachable(refs, "", "", unified)
    return Reachable(refs, dataplane.labels.get(ZONE, ""), dataplane.labels.get(NAMESPACE, ""), unified)


def _at_addresses(reachable: Reachable, services: Iterable[RealService]) -> Iterator[RealOutbound]:
    for service in services:
        refs = reachable.refs
        if refs is not None:
            refs = tuple(ref for ref in refs if _means(ref, service, reachable.zone, reachable.namespace))
        for port in service.ports:
            if refs is None or any(ref.port in (0, port.number) for ref in refs):
                # In the unified scheme a listener is called like the port, so there can be one only.
                for address in service.addresses[: 1 if reachable.unified else None]:
                    yield RealOutbound(address, port.number, service, port, port.section, service.hostnames)


def _means(ref: BackendRef, service: RealService, zone: str, namespace: str) -> bool:
    """Whether a reference means a service: by its name here, by the name it has in a zone, by labels."""
    if ref.kind != service.kind:
        return False
    if not ref.name:
        labels = {DISPLAY_NAME: service.display_name, **service.labels}
        return bool(ref.labels) and ref.labels.items() <= labels.items()
    place = (service.display_name, service.zone, service.namespace)
    return ref.name == service.name or (ref.name, zone, ref.namespace or namespace) == place


def _port(service: RealService, ref: BackendRef) -> ServicePort | None:
    return service.port(ref.port) if ref.port else next(iter(service.ports), None)
