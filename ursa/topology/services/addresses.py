"""Virtual addresses of real services. An address once given stays; a released one is not given again soon.

Clients may still know an old address for a while, so the next one is always beyond the newest, until the range ends.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ursa.model.json import JsonObject
from ursa.model.resource import Resource


class AddressPool:
    """The range of one kind of service."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.IPv4Network(cidr)
        self._cidr, self._first, self._size = cidr, int(network.network_address), network.num_addresses
        self._used: set[int] = set()
        self._next = 0

    def track(self, services: Iterable[Resource]) -> None:
        """Takes note of all addresses in use; those of services that are gone become free."""
        offsets = (int(ipaddress.IPv4Address(a)) - self._first for s in services if (a := address_of(s)))
        self._used = {offset for offset in offsets if 0 <= offset < self._size}
        self._next = max(self._next, max(self._used, default=-1) + 1)

    def take(self) -> str:
        """A free address; raises ValueError when there is none."""
        if len(self._used) >= self._size:
            raise ValueError(f"no virtual address left in {self._cidr}")
        while self._next % self._size in self._used:
            self._next += 1
        offset = self._next % self._size
        self._used.add(offset)
        self._next += 1
        return str(ipaddress.IPv4Address(self._first + offset))


def address_of(service: Resource) -> str:
    """The virtual IPv4 address of a service, empty when it has none."""
    status: JsonObject = service.status or {}
    address = str(status.get("vip", {}).get("ip", "")) or next((str(v["ip"]) for v in status.get("vips", ())), "")
    return "" if ":" in address else address


def with_address(service: Resource, pool: AddressPool) -> Resource:
    """The service with an address; itself when it has one. Raises ValueError when the pool is empty."""
    status: JsonObject = service.status or {}
    if status.get("vips") or status.get("vip", {}).get("ip"):
        return service
    address = pool.take()
    if service.kind == "MeshExternalService":
        return service.with_status({**status, "vip": {"ip": address}})
    return service.with_status({**status, "vips": [{"ip": address}]})
