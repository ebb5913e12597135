"""Virtual addresses of tag services: who gets one, which names lead to it, how the table is stored.

An address once given stays as long as its service exists, so a restarted control plane reads the table and changes
nothing. The lowest free address is given next, in order of the names, so equal inputs give equal tables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_dns_name
from ursa.topology.external_services import external_address

SERVICE_KEY, HOST_KEY, NAME_KEY = "0:", "1:", "2:"
"""Prefixes of services, of hosts and of full names in the stored table."""

VIRTUAL = "virtual-outbound:"
"""Origin of outbounds that VirtualOutbounds ask for."""


@dataclass(frozen=True, slots=True)
class Vip:
    """An address of a service and the names that lead to it.

    Attributes:
        port: where its outbound listens.
        tags: the service, and what narrows it down.
    """

    address: str
    port: int
    hostnames: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]

    @property
    def service(self) -> str:
        """Value of `kuma.io/service`."""
        return dict(self.tags).get(SERVICE_TAG, "")


class Named(Protocol):
    """A name at a port with the tags of what it leads to, and the VirtualOutbound that says so."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def tags(self) -> Mapping[str, str]: ...

    @property
    def policy(self) -> str: ...


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


def entries(
    services: Iterable[str], external: Iterable[Resource], virtual: Iterable[Named] = ()
) -> dict[str, list[JsonObject]]:
    """What has to have an address: outbounds by key.

    Args:
        services: tag services of this zone and of others.
        external: ExternalServices in order of their names; their hosts get addresses, too.
        virtual: names that VirtualOutbounds give.
    """
    wanted = {SERVICE_KEY + service: [_outbound(_of(service), 0, "service")] for service in services}
    for resource in external:
        service = str(resource.spec.get("tags", {}).get(SERVICE_TAG, ""))
        host, port = external_address(resource)
        wanted.setdefault(SERVICE_KEY + service, [_outbound(_of(service), port, "service")])
        if not resource.spec.get("networking", {}).get("disableHostDNSEntry"):
            outbounds = wanted.setdefault(HOST_KEY + host, [])
            if all(outbound["Port"] != port for outbound in outbounds):
                outbounds.append(_outbound(_of(service), port, f"external-service:{resource.name}"))
    for one in sorted(virtual, key=lambda one: (one.host, one.port)):
        outbound = _outbound(one.tags, one.port, VIRTUAL + one.policy)
        wanted.setdefault(NAME_KEY + one.host, []).append(outbound)
    return wanted


def allocate(
    wanted: Mapping[str, list[JsonObject]], table: Mapping[str, JsonObject], cidr: str
) -> dict[str, JsonObject]:
    """The table after services came and went; entries of other origins are kept as they are.

    Raises:
        ValueError: the range has no address left.
    """
    others = {key: entry for key, entry in table.items() if key not in wanted and not _ours(key, entry)}
    kept = {key: str(table[key]["address"]) for key in wanted if table.get(key, {}).get("address")}
    used = {*kept.values(), *(entry.get("address") for entry in others.values())}
    free = (str(a) for a in _addresses(cidr) if str(a) not in used)
    for key in sorted(wanted.keys() - kept.keys()):
        try:
            kept[key] = next(free)
        except StopIteration:
            raise ValueError(f"no virtual address left in {cidr}") from None
    given = {key: {"address": address, "outbounds": wanted[key]} for key, address in kept.items()}
    return dict(sorted({**others, **given}.items()))


def _ours(key: str, entry: JsonObject) -> bool:
    """Whether an entry is made from what is wanted, so that it goes when nobody wants it any more."""
    if key.startswith((SERVICE_KEY, HOST_KEY)):
        return True
    return any(str(outbound.get("Origin", "")).startswith(VIRTUAL) for outbound in entry.get("outbounds") or ())


def serialise_table(table: Mapping[str, JsonObject]) -> str:
    """The table as it is stored."""
    return orjson.dumps(dict(table), option=orjson.OPT_SORT_KEYS).decode()


def table_vips(table: Mapping[str, JsonObject], domain: str, port: int) -> tuple[Vip, ...]:
    """All addresses of a table with the ports at which something listens, sorted by key.

    Args:
        table: as it is stored.
        domain: of the names of services.
        port: at which every service listens, besides the port of a server outside of the mesh.
    """
    found: list[Vip] = []
    for key, entry in sorted(table.items()):
        if "address" not in entry or not entry.get("outbounds"):
            continue
        if key.startswith(SERVICE_KEY):
            found += _of_service(entry, domain, port)
        elif key.startswith(HOST_KEY):
            found += _of_host(key.removeprefix(HOST_KEY), entry, port)
        elif key.startswith(NAME_KEY):
            found += _of_name(key.removeprefix(NAME_KEY), entry)
    return tuple(found)


def mapped_ipv6(address: str) -> str:
    """The IPv6 form of an IPv4 address, `::ffff:f000:0`."""
    value = int(ipaddress.IPv4Address(address))
    return f"::ffff:{value >> 16:x}:{value & 0xFFFF:x}"


def _addresses(cidr: str) -> Iterable[ipaddress.IPv4Address]:
    """All addresses of a range from its first one on."""
    network = ipaddress.IPv4Network(cidr)
    first = int(network.network_address)
    return (ipaddress.IPv4Address(first + i) for i in range(network.num_addresses))


def _outbound(tags: Mapping[str, str], port: int, origin: str) -> JsonObject:
    return {"Port": port, "TagSet": dict(tags), "Origin": origin}


def _of(service: str) -> Mapping[str, str]:
    return {SERVICE_TAG: service}


def _tags(outbound: JsonObject) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(outbound["TagSet"].items()))


def _of_service(entry: JsonObject, domain: str, port: int) -> Iterator[Vip]:
    outbound = entry["outbounds"][0]
    hostnames = _hostnames(str(outbound["TagSet"].get(SERVICE_TAG, "")), domain)
    for one in dict.fromkeys((outbound["Port"] or port, port)):
        yield Vip(str(entry["address"]), one, hostnames, _tags(outbound))


def _of_host(host: str, entry: JsonObject, port: int) -> Iterator[Vip]:
    names = (host,) if is_dns_name(host) else ()
    services = {outbound["Port"]: _tags(outbound) for outbound in entry["outbounds"]}
    if names:
        services.setdefault(port, next(iter(services.values())))
    for one, tags in services.items():
        yield Vip(str(entry["address"]), one, names, tags)


def _of_name(name: str, entry: JsonObject) -> Iterator[Vip]:
    for outbound in entry["outbounds"]:
        if SERVICE_TAG in outbound["TagSet"]:
            yield Vip(str(entry["address"]), outbound["Port"], (name,), _tags(outbound))


def _hostnames(service: str, domain: str) -> tuple[str, ...]:
    plain = f"{service}.{domain}"
    dotted = f"{service.replace('_', '.')}.{domain}"
    return (plain,) if dotted == plain else (plain, dotted)
