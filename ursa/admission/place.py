"""Where this control plane stands, and so which kinds may be written here."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.errors import UrsaError
from ursa.model.kind import Kind, Writable
from ursa.model.labels import Locality
from ursa.runtime.config.tree import Settings

ON_GLOBAL = (
    "On global control plane you can not modify dataplane resources with 'kumactl apply' or via the HTTP API. "
    "You can still use 'kumactl' or the HTTP API to modify them on the zone control plane.\n"
)
ON_ZONE = (
    "On zone control plane you can only modify zone resources with 'kumactl apply' or via the HTTP API. "
    "You can still use 'kumactl' or the HTTP API to modify the rest of the resource on the global control plane.\n"
)
"""Kuma's texts (`spec/rest-api.md` §9), which its users search for."""


class ReadOnlyHere(UrsaError):
    """The kind cannot be written on this control plane; the text says where it can."""


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a control plane among the others.

    Attributes:
        mode: the one flag of `Writable` that describes it.
        locality: what labels of new objects depend on.
        read_only: whether the operator switched all writes off.
    """

    mode: Writable
    locality: Locality
    read_only: bool = False

    @property
    def is_global(self) -> bool:
        """Whether this is a global control plane."""
        return self.mode is Writable.GLOBAL

    @property
    def federated(self) -> bool:
        """Whether this is a zone below a global."""
        return self.mode is Writable.FEDERATED_ZONE

    @property
    def zone(self) -> str:
        """Name of the zone, empty on a global."""
        return self.locality.zone

    def writable(self, kind: Kind) -> bool:
        """Whether objects of the kind may be written here."""
        return not self.read_only and bool(kind.writable & self.mode)

    def check_writable(self, kind: Kind) -> None:
        """Raises ReadOnlyHere when objects of the kind may not be written here."""
        if not self.writable(kind):
            raise ReadOnlyHere(ON_GLOBAL if self.is_global else ON_ZONE)


def place_of(settings: Settings) -> Place:
    """The place that the settings describe."""
    if settings.is_global:
        mode = Writable.GLOBAL
    else:
        mode = Writable.FEDERATED_ZONE if settings.is_federated else Writable.ZONE
    zone = settings.multizone.zone
    locality = Locality(
        is_global=settings.is_global,
        zone="" if settings.is_global else zone.name,
        federated=settings.is_federated,
        environment=settings.environment,
        check_origin=not zone.disable_origin_label_validation,
    )
    return Place(mode, locality, settings.api_server.read_only)
