"""Names of the virtual addresses: Envoy's DNS filter, or a table that the launcher's own DNS server asks for."""

from __future__ import annotations

import orjson

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.listener import INBOUND, DnsTable, Listener
from ursa.ir.plan import ProxyPlan
from ursa.planner.dynamic_config import dynamic_config
from ursa.planner.inputs import DnsInputs, OutboundInputs
from ursa.topology.vips import mapped_ipv6

TTL = 30
"""Seconds that an answer may be remembered."""

PATH = "/dns"


def plan_dns(plan: ProxyPlan, inputs: OutboundInputs) -> None:
    """Adds what answers the names of this proxy's outbounds."""
    dns = inputs.dns
    if dns is None:
        return
    if dns.embedded:
        plan.add(dynamic_config({PATH: dns_table(inputs)}, dns.workdir, inputs.scheme, ipv6=inputs.ipv6))
        return
    plan.add(
        Listener(
            inputs.scheme.dns,
            SocketAddress("127.0.0.1", dns.port, udp=True),
            origins.DNS,
            direction=INBOUND,
            reuse_port=True,
            dns=DnsTable(_records(inputs, dns), TTL),
        )
    )


def _records(inputs: OutboundInputs, dns: DnsInputs) -> tuple[tuple[str, tuple[str, ...]], ...]:
    table: dict[str, dict[str, None]] = {}
    named = [(o.address, o.hostnames) for o in inputs.outbounds] + [(o.address, o.hostnames) for o in inputs.real]
    for address, hostnames in named:
        for hostname in hostnames:
            table.setdefault(hostname, {}).update(dict.fromkeys(_addresses(address, dns)))
    return tuple((hostname, tuple(table[hostname])) for hostname in sorted(table))


def _addresses(address: str, dns: DnsInputs) -> tuple[str, ...]:
    """A virtual address as IPv4 and IPv6 clients know it."""
    if ":" in address:
        return (address,) if dns.ipv6 else ()
    return (address, mapped_ipv6(address)) if dns.ipv6 else (address,)


def dns_table(inputs: OutboundInputs) -> str:
    """What the launcher is told of names, empty where it answers none."""
    dns = inputs.dns
    if dns is None or not dns.embedded:
        return ""
    records = [{"name": name, "ips": list(ips)} for name, ips in _records(inputs, dns)]
    return orjson.dumps({"records": records, "ttl": TTL}).decode()
