"""Which host names a gateway's listener serves, and which routes each of them has (`spec/xds.md` §7.3, §7.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ursa.policies.legacy.gateways import ANY_HOST, covers, served

T = TypeVar("T")


def by_host(listener: str, routes: Sequence[tuple[Sequence[str], T]]) -> dict[str, list[T]]:
    """The routes of every host name that a listener serves.

    A route says its host names, or none if it is for the listener's. One for a wildcard is for the names below it, too,
    because clients that ask for such a name do not look at the wildcard any more; only the one for any name is kept
    apart, as in Kuma.
    """
    hosts = [(tuple(named or (listener,)), route) for named, route in routes]
    names = dict.fromkeys(name for named, _ in hosts for host in named if (name := served(host, listener)))
    return {name: [route for named, route in hosts if _concerns(named, name, listener)] for name in names}


def exact_first(hosts: Iterable[str]) -> list[str]:
    """Host names in the order in which chains are tried: exact ones, then those with more labels, then by name."""
    return sorted(hosts, key=exactness)


def exactness(host: str) -> tuple[bool, int, str]:
    """The place of a host name in that order."""
    return (host.startswith("*"), -len(host.split(".")), host)


def _concerns(named: Iterable[str], name: str, listener: str) -> bool:
    return any(served(host, listener) == name or (host != ANY_HOST and covers(host, name)) for host in named)
