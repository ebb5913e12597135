"""Finds out, before anything starts, whether the demo's addresses and ports are free."""

from __future__ import annotations

import errno
import socket

from deploy.demo.layout import Layout
from ursa.errors import ConfigError


def check_free(layout: Layout) -> None:
    """Binds every address and port for a moment.

    Raises:
        ConfigError: one cannot be used; every such one is named.
    """
    taken = [
        f"  {address}:{port} ({what}): {reason}"
        for (address, port), what in layout.listeners().items()
        if (reason := _refusal(address, port))
    ]
    if taken:
        hint = "end what listens there, or choose other ports: make demo PORTS_FROM=26200"
        raise ConfigError("\n".join(["the demo cannot listen where it wants to:", *taken, hint]))


def _refusal(address: str, port: int) -> str:
    with socket.socket() as probe:
        # A port whose last connections are still being closed is free for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return "in use by another process" if error.errno == errno.EADDRINUSE else str(error.strerror).lower()
    return ""
