"""Addresses."""

from __future__ import annotations

from ursa.envoy.values import Fields
from ursa.ir.address import Address, Pipe


def address(of: Address) -> Fields:
    """`envoy.config.core.v3.Address`."""
    if isinstance(of, Pipe):
        return {"pipe": {"path": of.path}}
    socket: Fields = {"address": of.address, "port_value": of.port}
    if of.udp:
        socket["protocol"] = "UDP"
    return {"socket_address": socket}


def endpoint(of: Address) -> Fields:
    """One `LbEndpoint` without weight and metadata."""
    return {"endpoint": {"address": address(of)}}
