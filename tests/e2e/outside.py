"""Servers outside of the mesh, in the test process: plain HTTP, and HTTP over TLS with a CA of the test's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ursa.identity.ca import CertificateAuthority, create_named_ca
from ursa.identity.certificates import Leaf, LeafIssuer, LeafRequest
from ursa.runtime.clock import SystemClock

HOST = "outside.example"
"""The name in the server's certificate."""

CALLER = "egress.example"
"""The name in the certificate that it gives out to a client."""


@dataclass(frozen=True)
class Outside:
    """Two servers that say who called them, and what a client needs for the second one."""

    address: str
    plain_port: int
    secure_port: int
    authority: CertificateAuthority
    client: Leaf


@asynccontextmanager
async def outside(address: str, folder: Path) -> AsyncIterator[Outside]:
    """Both servers at an address while the context is open; the folder keeps the certificate."""
    now = SystemClock().now_ns()
    authority = create_named_ca("outside", now)
    issuer = LeafIssuer(authority)
    runner = web.AppRunner(_application(), access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        ports = []
        for context in (None, _context(authority, issuer.issue(LeafRequest(dns=(HOST,)), now), folder)):
            site = web.TCPSite(runner, address, 0, ssl_context=context)
            await site.start()
            ports.append(runner.addresses[-1][1])
        yield Outside(address, *ports, authority, issuer.issue(LeafRequest(dns=(CALLER,)), now))
    finally:
        await runner.cleanup()


def _application() -> web.Application:
    app = web.Application()
    app.router.add_get("/{path:.*}", _answer)
    return app


async def _answer(request: web.Request) -> web.Response:
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
    return web.json_response({"zone": "outside", "secure": request.secure, "client": names})


def _context(authority: CertificateAuthority, leaf: Leaf, folder: Path) -> ssl.SSLContext:
    pair = folder / "outside.pem"
    pair.write_bytes(leaf.certificate_pem + leaf.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.bundle_pem.decode())
    context.load_cert_chain(pair)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
