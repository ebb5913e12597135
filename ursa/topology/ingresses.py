"""What other zones offer: the services behind their ingresses, and how many ways into other zones there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ursa.model.zone_proxy import WHOLE, AvailableService, ZoneIngress


@dataclass(frozen=True, slots=True)
class RemoteInstances:
    """A group of equal instances behind one ingress: where it is, and what they are."""

    address: str
    port: int
    service: AvailableService
    lapsed: bool = False
    """Whether the zone there has not been seen for a while, so that it is used last."""
    share: int = WHOLE
    """Percent of its weight that it gets, while the zone there is drained or comes back."""


@dataclass(frozen=True, slots=True)
class RemoteServices:
    """Services of other zones.

    Attributes:
        by_service: groups by (mesh, service), in order of the ingresses.
        coordinates: how many distinct addresses of ingresses are in use, over all zones.
    """

    by_service: Mapping[tuple[str, str], tuple[RemoteInstances, ...]] = field(default_factory=dict)
    coordinates: int = 0


def remote_services(ingresses: Iterable[ZoneIngress], local_zone: str) -> RemoteServices:
    """Indexes the ingresses of other zones.

    Several ingresses behind one load balancer have one address; only the first of them that offers anything counts.
    """
    taken: set[tuple[str, int]] = set()
    found: dict[tuple[str, str], list[RemoteInstances]] = {}
    for ingress in ingresses:
        coordinate = (ingress.advertised_address, ingress.advertised_port)
        if not ingress.zone or ingress.zone == local_zone or not ingress.reachable or coordinate in taken:
            continue
        if ingress.available:
            taken.add(coordinate)
        for offered in ingress.available:
            group = RemoteInstances(*coordinate, offered, ingress.lapsed, ingress.share)
            found.setdefault((offered.mesh, offered.service), []).append(group)
    return RemoteServices({key: tuple(groups) for key, groups in found.items()}, len(taken))
