"""Says whether the ingress of another zone can be reached from here, when the global has lost sight of that zone."""

from __future__ import annotations

import asyncio

from ursa.errors import NotFound, Unavailable
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.view.view import View


async def reach(view: View, address: str, *, timeout: float) -> bytes:
    """Connects to an ingress that this zone knows, within some seconds.

    Raises:
        NotFound: no ingress has this address; nothing else is connected to.
        Unavailable: it cannot be reached.
    """
    host, _, port = address.rpartition(":")
    ingresses = [parse_zone_ingress(resource) for resource in view.list("ZoneIngress")]
    if not any((one.advertised_address, str(one.advertised_port)) == (host, port) for one in ingresses):
        raise NotFound(f"no zone ingress is known at {address}")
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"cannot reach {address}: {error or 'no answer in time'}") from None
    writer.close()
    return b"reached"
