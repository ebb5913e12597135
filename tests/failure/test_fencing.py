"""One control plane speaks for a zone, whichever instance of the global it reaches; its rivals are told why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.failure.replicas import Replica, until
from tests.servers.etcd import Etcd

DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "web",
    "networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]},
}
DATAPLANES = "/meshes/default/dataplanes"


@asynccontextmanager
async def two_globals(folder: Path, **settings: str) -> AsyncIterator[Sequence[Replica]]:
    """Instances of one global."""
    with TemporaryDirectory(prefix="ursa-store-") as data:
        etcd = Etcd(Path(data))
        await etcd.start()
        store = {"KUMA_STORE_TYPE": "etcd", "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints)}
        replicas = [Replica(folder / f"global-{number}", store, settings) for number in range(2)]
        try:
            await asyncio.gather(*(replica.start() for replica in replicas))
            yield replicas
        finally:
            await asyncio.gather(*(replica.close() for replica in replicas))
            await etcd.stop()


def zone(folder: Path, name: str, centre: Replica, **settings: str) -> Replica:
    """A control plane of a zone, with a store of its own."""
    own = {
        "KUMA_MODE": "zone",
        "KUMA_MULTIZONE_ZONE_NAME": name,
        "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://127.0.0.1:{centre.kds}",
        "KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "1s",
    }
    return Replica(folder, {"KUMA_STORE_TYPE": "sqlite"}, {**own, **settings})


async def connection(plane: Replica, name: str) -> tuple[bool, str]:
    """Whether a zone is connected, and why it was not the last time."""
    _, told = await plane.call("GET", f"/zones/{name}/_sync")
    return bool(told["connected"]), str(told["lastError"])


async def are_listed(centre: Replica, count: int) -> bool:
    status, listed = await centre.call("GET", DATAPLANES)
    return status == 200 and listed["total"] == count


async def test_a_second_control_plane_of_a_zone_is_kept_out_at_the_other_instance(tmp_path: Path) -> None:
    async with two_globals(tmp_path) as (first, second):
        holder, rival = zone(tmp_path / "holder", "east", first), zone(tmp_path / "rival", "east", second)
        try:
            await holder.start()

            async def registered() -> bool:
                status, insight = await second.call("GET", "/zones/east/_status")
                return status == 200 and insight["status"] == "online"

            await until(registered)
            # The mesh comes from the global.
            await until(lambda: exists(holder, "/meshes/default"))
            assert (await holder.call("PUT", f"{DATAPLANES}/web", DATAPLANE))[0] == 201
            await until(lambda: are_listed(first, 1))
            await rival.start()

            async def told() -> bool:
                connected, reason = await connection(rival, "east")
                assert not connected
                return "zone east is already connected from instance" in reason

            await until(told)
            _, reason = await connection(rival, "east")
            assert reason.startswith("ALREADY_EXISTS: ") and ", to " in reason, "who has it, and where"
            assert "zone east is already connected from instance" in rival.log.read_text()
            # The rival has nothing and would have erased what the holder reported.
            assert (await connection(holder, "east"))[0]
            assert await are_listed(first, 1) and await are_listed(second, 1)
            await holder.stop()

            async def taken_over() -> bool:
                return (await connection(rival, "east"))[0]

            await until(taken_over)
            await until(lambda: are_listed(second, 0))
        finally:
            await asyncio.gather(holder.close(), rival.close())


async def exists(plane: Replica, path: str) -> bool:
    return (await plane.call("GET", path))[0] == 200


async def test_of_two_that_come_at_once_one_stays(tmp_path: Path) -> None:
    async with two_globals(tmp_path) as centres:
        rivals = [zone(tmp_path / f"rival-{n}", "east", centre) for n, centre in enumerate(centres)]
        try:
            await asyncio.gather(*(rival.start() for rival in rivals))

            async def decided() -> bool:
                found = [await connection(rival, "east") for rival in rivals]
                lost = [reason for connected, reason in found if not connected]
                return len(lost) == 1 and "connected from instance" in lost[0]

            await until(decided)
            winner = [(await connection(rival, "east"))[0] for rival in rivals].index(True)
            for _ in range(5):
                # Whoever lost tries again every second, and changes nothing by that.
                await asyncio.sleep(0.5)
                assert (await connection(rivals[winner], "east"))[0]
        finally:
            await asyncio.gather(*(rival.close() for rival in rivals))


async def test_a_name_is_not_to_be_had_with_the_token_of_another_zone(tmp_path: Path) -> None:
    required = {"KUMA_MULTIZONE_GLOBAL_KDS_ZONE_TOKEN_REQUIRED": "true"}
    async with two_globals(tmp_path, **required) as (first, second):
        await until(lambda: exists(first, "/global-secrets/zone-token-signing-key-1"))
        _, token = await first.call("POST", "/tokens/zone", {"zone": "east", "scope": ["cp"], "validFor": "1h"})
        file = tmp_path / "token"
        file.write_text(token)
        shown = {"KUMA_MULTIZONE_ZONE_KDS_TOKEN_FILE": str(file)}
        honest, thief = zone(tmp_path / "e", "east", first, **shown), zone(tmp_path / "w", "west", second, **shown)
        try:
            await asyncio.gather(honest.start(), thief.start())

            async def settled() -> bool:
                connected, _ = await connection(honest, "east")
                other, reason = await connection(thief, "west")
                assert not other
                return connected and "the token is for zone 'east', not for 'west'" in reason

            await until(settled)
            assert not await exists(thief, "/meshes/default"), "it got nothing"
            assert (await second.call("GET", "/zones/west"))[0] == 404
            # The right one, put into the file, is enough.
            _, own = await second.call("POST", "/tokens/zone", {"zone": "west", "scope": ["cp"], "validFor": "1h"})
            file.write_text(own)

            async def connected() -> bool:
                return (await connection(thief, "west"))[0]

            await until(connected)
        finally:
            await asyncio.gather(honest.close(), thief.close())
