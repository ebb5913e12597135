"""Names of the virtual addresses: Envoy's DNS filter, or a table that the launcher's own DNS server asks for."""

from __future__ import annotations

import hashlib

import orjson

from ursa.ir import origins
from ursa.ir.address import Pipe, SocketAddress
from ursa.ir.listener import INBOUND, DnsTable, FilterChain, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import EXACT, DirectResponse, HeaderMatcher, HeaderValue, Route, RouteMatch, VirtualHost
from ursa.planner import names
from ursa.planner.blocks import technical_http
from ursa.planner.inputs import DnsInputs, OutboundInputs
from ursa.planner.names import Scheme
from ursa.topology.vips import mapped_ipv6

TTL = 30
"""Seconds that an answer may be remembered."""

PATH = "/dns"


def plan_dns(plan: ProxyPlan, inputs: OutboundInputs) -> None:
    """Adds what answers the names of this proxy's outbounds."""
    dns = inputs.dns
    if dns is None:
        return
    records = _records(inputs, dns)
    if dns.embedded:
        plan.add(_dynamic_config(dns, records, inputs.scheme))
        return
    plan.add(
        Listener(
            inputs.scheme.dns,
            SocketAddress("127.0.0.1", dns.port, udp=True),
            origins.DNS,
            direction=INBOUND,
            reuse_port=True,
            dns=DnsTable(records, TTL),
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


def _dynamic_config(dns: DnsInputs, records: tuple[tuple[str, tuple[str, ...]], ...], scheme: Scheme) -> Listener:
    """A listener on a socket that serves the table, and says so when it has not changed."""
    table = {"records": [{"name": name, "ips": list(ips)} for name, ips in records], "ttl": TTL}
    body = orjson.dumps(table).decode()
    etag = hashlib.sha256(body.encode()).hexdigest()
    match = RouteMatch(PATH, EXACT, (HeaderMatcher("If-None-Match", EXACT, etag),))
    unchanged = Route(match, DirectResponse(304), name=scheme.dynamic_route_unchanged(PATH))
    full = Route(
        RouteMatch(PATH, EXACT),
        DirectResponse(200, body),
        name=scheme.dynamic_route(PATH),
        response_headers_to_add=(HeaderValue("Etag", etag),),
    )
    host = VirtualHost(scheme.dynamic_config, [unchanged, full])
    manager = technical_http(stat_safe(scheme.dynamic_config), host, max_body=len(body))
    socket = Pipe(names.dynamic_config_socket(dns.workdir))
    return Listener(scheme.dynamic_config, socket, origins.DYNAMIC_CONFIG, [FilterChain([manager])])
