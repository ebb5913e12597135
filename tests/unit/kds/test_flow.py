"""Both ends send much at once through tiny windows: reads and writes never wait for each other, so nothing locks."""

from __future__ import annotations

import pytest

from kds import transport
from tests.unit.kds.lab import Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.model.resource import Resource

MANY = 300
TINY = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0), ("grpc.http2.max_frame_size", 16384)]


@pytest.fixture(autouse=True)
def tiny_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a kibibyte on both ends, and responses of many times that."""
    for name in ("client_options", "server_options"):
        options = getattr(transport, name)
        for module in ("kds.dialing", "kds.server"):
            monkeypatch.setattr(
                f"{module}.{name}", lambda *args, options=options: [*options(*args), *TINY], raising=False
            )


def proxy(name: str) -> Resource:
    inbound = [{"port": 80, "tags": {"kuma.io/service": "web", "padding": "x" * 900}}]
    return Resource("Dataplane", "default", name, {"networking": {"address": "10.0.0.1", "inbound": inbound}})


async def test_both_directions_at_once() -> None:
    centre = Global(KUMA_MULTIZONE_GLOBAL_KDS_CHUNK_SIZE="65536")
    async with running(centre):
        await centre.put(Resource("Mesh", "", "default"))
        zone = Zone("zone-1", centre.port, KUMA_MULTIZONE_ZONE_KDS_CHUNK_SIZE="65536")
        async with running(zone):
            await zone.until(lambda: zone.client.status.connected)
            for round_ in range(2):
                await centre.put(*(timeout(f"{'t' * 100}{n}", 5 + round_) for n in range(MANY)))
                await zone.put(*(proxy(f"{'d' * 100}{round_}-{n}") for n in range(MANY)))
            await zone.until(lambda: len(zone.live.current.list("MeshTimeout")) == MANY, 60)
            await centre.until(lambda: len(centre.live.current.list("Dataplane")) == 2 * MANY, 60)
            revision = centre.publisher
            await centre.until(
                lambda: centre.zones.connections["zone-1"].sender.delivered_everything() == revision.catalogue.revision,
                60,
            )
            assert zone.client.status.restarts == {}
