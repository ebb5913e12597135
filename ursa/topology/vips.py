"""Virtual addresses of tag services: who gets one, which names lead to it, how the table is stored.

An address once given stays as long as its service exists, so a restarted control plane reads the table and changes
nothing. The lowest free address is given next, in order of the names, so equal inputs give equal tables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG

SERVICE_KEY = "0:"
"""Prefix of services in the stored table."""


@dataclass(frozen=True, slots=True)
class Vip:
    """A service's address and the names that lead to it; `port` is where its outbound listens."""

    service: str
    address: str
    port: int
    hostnames: tuple[str, ...]


def config_name(mesh: str) -> str:
    """Name of the Config that keeps the table of a mesh."""
    return f"kuma-{mesh}-dns-vips"


def parse_table(config: str) -> dict[str, JsonObject]:
    """The stored table: entries by key; an empty or broken one is empty."""
    try:
        table = orjson.loads(config or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return table if isinstance(table, dict) else {}


def allocate(services: Iterable[str], table: Mapping[str, JsonObject], cidr: str) -> dict[str, JsonObject]:
    """The table after services came and went; entries of other origins are kept as they are.

    Raises:
        ValueError: the range has no address left.
    """
    wanted = {SERVICE_KEY + service: service for service in services}
    kept = {key: entry for key, entry in table.items() if key in wanted or not key.startswith(SERVICE_KEY)}
    used = {entry.get("address") for entry in kept.values()}
    free = (str(a) for a in _addresses(cidr) if str(a) not in used)
    for key in sorted(wanted.keys() - kept.keys()):
        try:
            address = next(free)
        except StopIteration:
            raise ValueError(f"no virtual address left in {cidr}") from None
        outbound = {"Port": 0, "TagSet": {SERVICE_TAG: wanted[key]}, "Origin": "service"}
        kept[key] = {"address": address, "outbounds": [outbound]}
    return {key: kept[key] for key in sorted(kept)}


def serialise_table(table: Mapping[str, JsonObject]) -> str:
    """The table as it is stored."""
    return orjson.dumps(dict(table), option=orjson.OPT_SORT_KEYS).decode()


def service_vips(table: Mapping[str, JsonObject], domain: str, port: int) -> tuple[Vip, ...]:
    """All services of a table with their names, sorted by service."""
    return tuple(
        Vip(service, str(entry["address"]), port, _hostnames(service, domain))
        for key, entry in sorted(table.items())
        if key.startswith(SERVICE_KEY) and (service := key.removeprefix(SERVICE_KEY)) and "address" in entry
    )


def mapped_ipv6(address: str) -> str:
    """The IPv6 form of an IPv4 address, `::ffff:f000:0`."""
    value = int(ipaddress.IPv4Address(address))
    return f"::ffff:{value >> 16:x}:{value & 0xFFFF:x}"


def _addresses(cidr: str) -> Iterable[ipaddress.IPv4Address]:
    """All addresses of a range from its first one on."""
    network = ipaddress.IPv4Network(cidr)
    first = int(network.network_address)
    return (ipaddress.IPv4Address(first + i) for i in range(network.num_addresses))


def _hostnames(service: str, domain: str) -> tuple[str, ...]:
    plain = f"{service}.{domain}"
    dotted = f"{service.replace('_', '.')}.{domain}"
    return (plain,) if dotted == plain else (plain, dotted)
