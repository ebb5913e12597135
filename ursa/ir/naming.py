"""Names whose form is a contract with tools and dashboards."""

from __future__ import annotations

import ipaddress
import re

UNIFIED_NAME = "kuma.io/unified-name"
"""Key of a listener's metadata under which policies and patches find what has no tags."""

TAGS_HEADER = "x-kuma-tags"
"""Tells the source's tags to the proxy at the other end; a workload never sees it."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def stat_safe(name: str) -> str:
    """A name as it may stand in Envoy's statistics (`spec/xds.md`, conventions)."""
    return _UNSAFE.sub("_", name)


def is_ip(address: str) -> bool:
    """Whether an address is an IP address and not a host name."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def bracketed(address: str) -> str:
    """An IP address as it stands before a port."""
    return f"[{address}]" if ":" in address else address
