"""Clusters for those who collect what proxies tell: one per address, numbered in the order in which they are used."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir.address import SocketAddress
from ursa.ir.cluster import STATIC, STRICT_DNS, Cluster, HttpOptions
from ursa.ir.naming import is_ip

OTLP_PORT = 4317


def collector_cluster(name: str, host: str, port: int, origin: str, *, http2: bool) -> Cluster:
    """The cluster of a collector."""
    named = not is_ip(host)
    return Cluster(
        name,
        STRICT_DNS if named else STATIC,
        origin,
        addresses=(SocketAddress(host, port),),
        http=HttpOptions(2) if http2 else None,
        ipv4_only=named,
    )


def host_and_port(endpoint: str, default: int) -> tuple[str, int]:
    """The parts of `host:port`, of an IPv6 address in brackets too; the port may be missing."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        host, port = endpoint, str(default)
    return host.strip("[]"), int(port)


class Collectors:
    """Collectors of OpenTelemetry that logs of one share of a plan go to."""

    def __init__(self, origin: str, known: Iterable[str] = ()) -> None:
        """Args: known: addresses that have clusters already, in their order."""
        self._origin = origin
        self._names = {endpoint: self._name(number) for number, endpoint in enumerate(dict.fromkeys(known))}
        self.clusters: list[Cluster] = []
        """The clusters that are needed beside those known before."""

    def name(self, endpoint: str) -> str:
        """Name of the cluster for an address."""
        if endpoint not in self._names:
            self._names[endpoint] = name = self._name(len(self._names))
            host, port = host_and_port(endpoint, OTLP_PORT)
            self.clusters.append(collector_cluster(name, host, port, self._origin, http2=True))
        return self._names[endpoint]

    def _name(self, number: int) -> str:
        return f"{self._origin}:opentelemetry:{number}"
