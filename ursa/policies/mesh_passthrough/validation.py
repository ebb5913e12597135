"""Rules of MeshPassthrough's matches, single ones and those that share a port."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.validation.addresses import is_cidr, is_dns_name, is_ip
from ursa.policies.core.checks import valid_port

LAYER_7 = ("grpc", "http", "http2")
"""Protocols that share a port only with themselves, since one filter chain must read all connections of it."""

_NOT_BY_NAME = ("tcp", "mysql")
"""Protocols whose connections do not say which domain they are for."""


def check_matches(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks `appendMatch` of a conf."""
    protocols: dict[int, str] = {}
    seen = set()
    for index, match in enumerate(conf.get("appendMatch") or ()):
        place, port, protocol = f"{field}.appendMatch[{index}]", match.get("port"), match["protocol"]
        yield from valid_port(f"{place}.port", port)
        if protocol == "mysql" and port is None:
            yield Violation(f"{place}.port", "port must be defined for Mysql protocol")
        yield from _check_value(place, match)
        key = (match["type"], match["value"], port, protocol)
        if key in seen:
            yield Violation(f"{place}.value", f"value {match['value']} is already defiend for this port and protocol")
        elif port and protocol in LAYER_7 and protocols.setdefault(port, protocol) != protocol:
            yield Violation(
                f"{place}.port",
                "using the same port in multiple matches requires the same protocol for the following protocols: "
                f"[{' '.join(LAYER_7)}]",
            )
        seen.add(key)


def _check_value(field: str, match: JsonObject) -> Iterator[Violation]:
    kind, value = match["type"], match["value"]
    if kind == "Domain":
        yield from _check_domain(field, match)
    elif kind == "CIDR" and not is_cidr(value):
        yield Violation(f"{field}.value", "provided CIDR has incorrect value")
    elif kind == "IP" and not is_ip(value):
        yield Violation(f"{field}.value", "provided IP has incorrect value")


def _check_domain(field: str, match: JsonObject) -> Iterator[Violation]:
    value, protocol = match["value"], match["protocol"]
    if protocol in _NOT_BY_NAME:
        yield Violation(f"{field}.protocol", f"protocol {protocol} is not supported for a domain")
    wildcard = value.startswith("*")
    if wildcard and not value.startswith("*."):
        reason = "provided DNS has incorrect value, partial wildcard is currently not supported"
        yield Violation(f"{field}.value", reason)
        return
    if not is_dns_name(value.removeprefix("*.")):
        yield Violation(f"{field}.value", "provided DNS has incorrect value")
    if wildcard and protocol in LAYER_7 and not match.get("port"):
        yield Violation(f"{field}.port", "wildcard domains doesn't work for all ports and layer 7 protocol")
