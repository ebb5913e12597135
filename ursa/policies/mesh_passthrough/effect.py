"""MeshPassthrough: which destinations outside of the mesh redirected connections may reach (`spec` §3.16).

A match without a port counts for every port that another match mentions as well, because Envoy looks at ports first
and would find only the others there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ursa.model.json import JsonObject
from ursa.policies.core.policy import Policy, effective_default
from ursa.policies.plugin import PolicyPlugin

KIND = "MeshPassthrough"
ALL, MATCHED, NONE = "All", "Matched", "None"
HTTP_LIKE = ("http", "http2", "grpc")
DOMAIN, CIDR = "Domain", "CIDR"

_PROTOCOLS = ("mysql", "tls", "tcp", *HTTP_LIKE)


class MeshPassthroughPlugin(PolicyPlugin):
    """Has the policies matched; they are for the proxy as a whole, and the planner asks `passing` for what they say."""

    kind = KIND


@dataclass(frozen=True, slots=True)
class Match:
    """A destination; port 0 stands for those that no other match mentions."""

    protocol: str
    type: str
    value: str
    port: int = 0

    @property
    def ipv6(self) -> bool | None:
        """Which addresses it has; None for a domain, which may have both."""
        return None if self.type == DOMAIN else ":" in self.value

    @property
    def prefix(self) -> tuple[str, int] | None:
        """Its addresses as a network; None for a domain."""
        if self.type == DOMAIN:
            return None
        network = ipaddress.ip_network(self.value, strict=False)
        return str(network.network_address), network.prefixlen

    @property
    def wildcard(self) -> bool:
        """Whether it is for all domains below one."""
        return self.type == DOMAIN and self.value.startswith("*")

    @property
    def rank(self) -> tuple[int, int, int, int, str]:
        """Sorts by what Envoy shall look at first: the more exact comes before what covers it."""
        kind = 2 * (self.type == CIDR) + (not self.ipv6) if self.type != DOMAIN else 4 + self.wildcard
        protocol = max(_PROTOCOLS.index(self.protocol), 1)
        length = self.prefix[1] if self.prefix is not None else len(self.value)
        return protocol, kind, -self.port, -length, self.value


@dataclass(frozen=True, slots=True)
class Passing:
    """What may pass: everything, or only the matches, which may be none."""

    everything: bool
    matches: tuple[Match, ...] = ()


def passing(policies: Iterable[Policy], *, by_default: bool) -> Passing:
    """What may pass a proxy that these policies select, in ascending strength; without them it is as the mesh says."""
    found = effective_default(policies)
    if found is None:
        return Passing(by_default)
    mode = found.conf.get("passthroughMode") or MATCHED
    if mode != MATCHED:
        return Passing(mode == ALL)
    return Passing(False, tuple(_matches(found.conf.get("appendMatch") or ())))


def _matches(confs: Iterable[JsonObject]) -> list[Match]:
    """The matches in order, once each; of the protocols that read requests, the first counts on a port."""
    given = [Match(m["protocol"], m["type"], m["value"], m.get("port") or 0) for m in confs]
    ports = sorted({match.port for match in given if match.port})
    every = dict.fromkeys(one for match in given for one in _on_ports(match, ports))
    readers: dict[int, str] = {}
    kept = []
    for match in sorted(every, key=lambda m: m.rank):
        reads = match.protocol in HTTP_LIKE
        if not reads or readers.setdefault(match.port, match.protocol) == match.protocol:
            kept.append(match)
    return kept


def _on_ports(match: Match, ports: Iterable[int]) -> Iterator[Match]:
    yield match
    if not match.port:
        yield from (replace(match, port=port) for port in ports)
