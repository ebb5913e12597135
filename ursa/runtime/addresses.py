"""The address by which other machines know this one."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"
ELSEWHERE = (("192.0.2.1", 9), ("2001:db8::1", 9))
"""Addresses nobody has, of each family: looking up the way there shows from where this machine would send. Nothing is
sent."""


def own_address() -> str:
    """The address from which this machine reaches others; the loopback one when it is connected to nothing."""
    for family, elsewhere in zip((socket.AF_INET, socket.AF_INET6), ELSEWHERE, strict=True):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(elsewhere)
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return LOOPBACK
