"""A zone is drained step by step, through deaths of the global, with every other thing that may happen to zones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kds import features
from tests.failure.replicas import Replica, until
from tests.failure.test_global_kill import GlobalProcess
from tests.servers.etcd import Etcd
from tests.unit.kds.lab import Zone
from ursa.model.labels import SHARE
from ursa.model.resource import Resource

MTLS = {
    "type": "Mesh",
    "name": "default",
    "mtls": {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]},
}


def gate(zone: str, *services: str, instances: int = 3) -> Resource:
    offered = [
        {"mesh": "default", "instances": instances, "tags": {"kuma.io/service": one, "kuma.io/zone": zone}}
        for one in services
    ]
    networking = {"address": "127.0.0.1", "port": 1, "advertisedAddress": f"{zone}.test", "advertisedPort": 1}
    return Resource("ZoneIngress", "", f"gate-{zone}", {"networking": networking, "availableServices": offered})


@asynccontextmanager
async def three_zones(folder: Path, **environment: str) -> AsyncIterator[tuple[GlobalProcess, Zone, Zone, Zone]]:
    """East and west with the same service, and the south that sees both."""
    centre = GlobalProcess(folder, **environment)
    await centre.start()
    await centre.call("PUT", "/meshes/default", MTLS)
    zones = [Zone(name, centre.kds) for name in ("east", "west", "south")]
    try:
        for zone in zones:
            await zone.open()
            await zone.until(lambda zone=zone: zone.client.status.connected)
        east, west, south = zones
        await east.put(gate("east", "web"))
        await west.put(gate("west", "web"))
        await south.until(lambda: south.named("ZoneIngress", "gate-east") and south.named("ZoneIngress", "gate-west"))
        yield centre, east, west, south
    finally:
        for zone in zones:
            await zone.close()
        if centre.process.returncode is None:
            await centre.stop(signal.SIGTERM)


async def call(
    centre: GlobalProcess, method: str, path: str, body: object = None, token: str = ""
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers |= {"Authorization": f"Bearer {token}", "X-Forwarded-For": "1.2.3.4"}
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    url = f"http://127.0.0.1:{centre.api}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=data, headers=headers) as answer:
        document: dict[str, Any] = await answer.json()
        return answer.status, document


def share(zone: Zone, of: str = "east") -> int:
    """What a zone was told of the ingress of another."""
    ingress = zone.named("ZoneIngress", f"gate-{of}")
    assert ingress is not None
    return int(ingress.labels.get(SHARE, "100"))


def offered_by(zone: Zone, of: str) -> list[int]:
    """Instances behind the ingress of another zone, service by service."""
    ingress = zone.named("ZoneIngress", f"gate-{of}")
    return [one["instances"] for one in ingress.spec.get("availableServices", ())] if ingress is not None else []


class Watch:
    """Notes every share that a zone sees while it waits for one."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.seen = [share(zone)]

    async def until(self, wanted: Callable[[int], bool]) -> None:
        def reached() -> bool:
            if (now := share(self._zone)) != self.seen[-1]:
                self.seen.append(now)
            return wanted(now)

        await self._zone.until(reached)


async def test_shares_fall_in_steps_and_return(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, east, _, south):
        watch = Watch(south)
        status, document = await call(centre, "POST", "/zones/east/_drain", {"over": "4s"})
        assert (status, document["state"], document["steps"]["total"]) == (200, "draining", 4)
        assert (await call(centre, "GET", "/zones/east/_status"))[1]["status"] == "draining"
        assert (await call(centre, "GET", "/zones/east/_overview"))[1]["status"] == "draining"
        await watch.until(lambda now: now == 0)
        # A machine that is busy may make two steps at once, but never another or one back.
        assert watch.seen == sorted(watch.seen, reverse=True) and set(watch.seen) <= {100, 75, 50, 25, 0}
        assert len(watch.seen) > 2
        _, document = await call(centre, "GET", "/zones/east/_drain")
        assert (document["state"], document["share"], document["nextStepAt"]) == ("drained", 0, None)
        assert {one["name"]: one["weights"] for one in document["zones"]} == {"west": "exact", "south": "exact"}
        assert share(east) == 100  # nobody tells a zone anything about its own ingress
        watch = Watch(south)
        await call(centre, "POST", "/zones/east/_undrain", {"over": "2s"})
        assert (await call(centre, "GET", "/zones/east/_drain"))[1]["state"] == "returning"
        await watch.until(lambda now: now == 100)
        assert watch.seen == sorted(watch.seen) and set(watch.seen) <= {0, 50, 100}
        _, document = await call(centre, "GET", "/zones/east/_drain")
        assert (document["state"], document["share"]) == ("none", 100)
        assert (await call(centre, "GET", "/zones/east/_status"))[1]["status"] == "online"


async def test_at_once_is_one_step_either_way(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, _, _, south):
        watch = Watch(south)
        assert (await call(centre, "POST", "/zones/east/_drain", {"over": "0s"}))[1]["state"] == "drained"
        await watch.until(lambda now: now == 0)
        await call(centre, "POST", "/zones/east/_undrain")
        await watch.until(lambda now: now == 100)
        assert watch.seen == [100, 0, 100]


async def test_a_killed_global_goes_on_where_the_time_says(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, _, _, south):
        watch = Watch(south)
        await call(centre, "POST", "/zones/east/_drain", {"over": "10s"})
        await watch.until(lambda now: now <= 80)
        await centre.stop(signal.SIGKILL)
        await south.until(lambda: not south.client.status.connected)
        before = share(south)
        await asyncio.sleep(2)
        assert share(south) == before
        await centre.start()
        await watch.until(lambda now: now < before)
        assert share(south) <= before - 20  # steps that were due meanwhile are made up for
        await watch.until(lambda now: now == 0)
        assert watch.seen == sorted(watch.seen, reverse=True)
        await centre.stop(signal.SIGKILL)
        await south.until(lambda: not south.client.status.connected)
        await centre.start()
        await south.until(lambda: south.client.status.connected)
        assert ((await call(centre, "GET", "/zones/east/_drain"))[1]["state"], share(south)) == ("drained", 0)


async def test_what_others_cannot_take_over_is_named_and_refused(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    async with three_zones(tmp_path, KUMA_API_SERVER_AUDIT_FILE=str(audit)) as (centre, east, _, south):
        await east.put(gate("east", "web", "api"))

        await south.until(lambda: len(offered_by(south, "east")) == 2)
        _, problem = await call(centre, "POST", "/zones/east/_drain", {"over": "1h"})
        assert problem["detail"] == "other zones cannot take over: api (mesh default)"
        assert [one["field"] for one in problem["invalid_parameters"]] == ["default/api"]
        assert (await call(centre, "POST", "/zones/east/_drain?dryRun=true", {"force": True}))[0] == 200
        assert (await call(centre, "GET", "/zones/east/_drain"))[1]["state"] == "none"
        status, document = await call(centre, "POST", "/zones/east/_drain", {"over": "0s", "force": True})
        assert (status, document["state"], document["forced"]) == (200, "drained", True)
        assert document["stranded"] == [{"mesh": "default", "service": "api", "clients": []}]
        # Two at once: what is on its way out takes nothing over.
        status, problem = await call(centre, "POST", "/zones/west/_drain")
        assert (status, problem["detail"]) == (409, "other zones cannot take over: web (mesh default)")
        status, _ = await call(centre, "POST", "/zones/west/_drain", {"over": "0s", "force": True})
        assert status == 200
        await south.until(lambda: (share(south), share(south, "west")) == (0, 0))
        lines = [json.loads(line) for line in audit.read_text().splitlines()]
        orders = [line for line in lines if line["operation"] in ("drained", "undrained") and line.get("forced")]
        assert [(line["resource"], line["over"]) for line in orders] == [("east", "0s"), ("west", "0s")]
        assert all(line["user"] and line["revision"] for line in orders)


async def test_steps_wait_while_others_cannot_take_over(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, _, west, south):
        await call(centre, "POST", "/zones/east/_drain", {"over": "4s"})
        await west.put(gate("west"))
        found = await until_drain(centre, lambda document: bool(document.get("heldSince")))
        assert found["state"] == "draining" and found["share"] > 0
        assert found["nextStepAt"] is None and found["endsAt"] is None
        assert found["stranded"] == [{"mesh": "default", "service": "web", "clients": []}]
        stands = found["share"]
        await asyncio.sleep(2.5)
        assert (share(south), (await call(centre, "GET", "/zones/east/_drain"))[1]["share"]) == (stands, stands)
        # Who repeats the order changes nothing; who insists is obeyed.
        await call(centre, "POST", "/zones/east/_drain", {"over": "4s"})
        assert (await call(centre, "GET", "/zones/east/_drain"))[1]["heldSince"] == found["heldSince"]
        await west.put(gate("west", "web"))
        await until_drain(centre, lambda document: document["share"] < stands and not document["heldSince"])
        await west.put(gate("west"))
        await until_drain(centre, lambda document: bool(document["heldSince"]) or document["state"] == "drained")
        await call(centre, "POST", "/zones/east/_drain", {"over": "4s", "force": True})
        await south.until(lambda: share(south) == 0)


async def until_drain(centre: GlobalProcess, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            _, found = await call(centre, "GET", "/zones/east/_drain")
            if reached(found):
                return found
            await asyncio.sleep(0.05)


async def test_two_orders_at_once_cannot_both_count_on_the_other(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, _, _, south):
        orders = (call(centre, "POST", f"/zones/{zone}/_drain", {"over": "0s"}) for zone in ("east", "west"))
        assert sorted([status for status, _ in await asyncio.gather(*orders)]) == [200, 409]
        await south.until(lambda: sorted([share(south), share(south, "west")]) == [0, 100])


async def until_status(centre: GlobalProcess, wanted: str, *, connected: bool | None = None) -> None:
    async with asyncio.timeout(60):
        while True:
            _, found = await call(centre, "GET", "/zones/east/_status")
            if found["status"] == wanted and connected in (None, bool(found["heldBy"])):
                return
            await asyncio.sleep(0.05)


async def test_zones_may_be_disabled_offline_or_deleted_while_they_are_drained(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, east, _, south):
        await call(centre, "POST", "/zones/east/_drain", {"over": "1h"})
        await centre.call("PUT", "/zones/east", {"type": "Zone", "name": "east", "enabled": False})
        assert (await call(centre, "GET", "/zones/east/_status"))[1]["status"] == "disabled"
        await call(centre, "POST", "/zones/east/_drain", {"over": "0s"})
        await centre.call("PUT", "/zones/east", {"type": "Zone", "name": "east", "enabled": True})
        await south.until(lambda: south.named("ZoneIngress", "gate-east") and share(south) == 0)
        await east.supervisor.stop("kds client")
        await south.until(lambda: share(south) == 0)
        await until_status(centre, "unknown")
        assert (await call(centre, "GET", "/zones/east/_status"))[1]["share"] == 0
        await call(centre, "POST", "/zones/east/_undrain")
        await south.until(lambda: share(south) == 100)
        await call(centre, "POST", "/zones/east/_drain", {"over": "0s"})
        await centre.call("DELETE", "/zones/east")
        assert (await call(centre, "GET", "/zones/east/_drain"))[0] == 404
        east.supervisor.start("kds client", east.client.run)
        await until_status(centre, "online")
        await south.until(lambda: south.named("ZoneIngress", "gate-east") and share(south) == 100)


async def test_a_zone_is_taken_out_for_good_in_order_and_again(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (centre, east, _, south):
        await east.put(gate("east", "web", "api"))
        await south.until(lambda: len(offered_by(south, "east")) == 2)
        config = ("--config-file", str(tmp_path / "ursactl.yaml"))
        at = f"http://127.0.0.1:{centre.api}"
        await ursactl(*config, "config", "control-planes", "add", "--name", "global", "--address", at)
        remove = (*config, "zone", "remove", "east", "--over", "2s")
        status, said = await ursactl(*remove, "--dry-run")
        assert status == 1 and "would vanish: 1 ZoneIngress" in said and "default/api" in said
        status, said = await ursactl(*remove, "--force", "--dry-run")
        assert status == 0 and "Warning: api (mesh default)" in said
        assert (await call(centre, "GET", "/zones/east/_drain"))[1]["state"] == "none"
        status, said = await ursactl(*remove, "--force", "--yes")
        assert status == 1 and "gets 50 % of its weight" in said and "still connected" in said
        assert (await call(centre, "GET", "/zones/east"))[1]["enabled"] is False
        await east.supervisor.stop("kds client")
        await until_status(centre, "disabled", connected=False)
        assert await ursactl(*remove, "--force", "--yes") == (
            0,
            "will vanish: 1 ZoneIngress\n"
            "Warning: api (mesh default) has no healthy endpoint in another zone\n"
            "zone east gets 0 % of its weight from other zones\n"
            "zone east is deleted\n",
        )
        assert await ursactl(*remove, "--yes") == (0, "zone east is not there\n")
        assert not (await call(centre, "GET", "/zoneingresses?name=gate-east"))[1]["items"]


async def ursactl(*arguments: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ursactl")),
        *arguments,
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_a_peer_that_knows_no_shares_sees_fewer_instances_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OF_NODE", "OF_CALLS"):
        monkeypatch.setattr(features, name, tuple(set(getattr(features, name)) - {features.SHARES}))
    async with three_zones(tmp_path) as (centre, _, _, south):
        seen: list[int] = [3]

        def instances() -> int:
            found = sum(offered_by(south, "east"))
            if found != seen[-1]:
                seen.append(found)
            return found

        _, document = await call(centre, "POST", "/zones/east/_drain", {"over": "4s"})
        assert {one["name"]: one["weights"] for one in document["zones"]}["south"] == "whole instances"
        await south.until(lambda: instances() == 0)
        assert seen == sorted(seen, reverse=True) and len(seen) > 2
        assert share(south) == 100
        await call(centre, "POST", "/zones/east/_undrain")
        await south.until(lambda: instances() == 3)


ROLES = """
access:
  roles:
    enabled: true
    bindings:
    - {role: reader, users: [rita]}
    - {role: admin, users: [ada], meshes: [default]}
    - {role: admin, groups: [ops]}
"""


async def test_orders_are_checked_before_anything_happens(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(ROLES)
    audit = tmp_path / "audit.log"
    centre = GlobalProcess(tmp_path, "-c", str(tmp_path / "roles.yaml"), KUMA_API_SERVER_AUDIT_FILE=str(audit))
    await centre.start()
    try:
        await centre.call("PUT", "/zones/east", {"type": "Zone", "name": "east"})
        for body, field in (
            ({"over": "soon"}, "over"),
            ({"over": "-1s"}, "over"),
            ({"over": 10}, "over"),
            ({"over": "1m", "force": "yes"}, "force"),
            ({"in": "1m"}, "in"),
        ):
            status, problem = await call(centre, "POST", "/zones/east/_drain", body)
            assert (status, [one["field"] for one in problem["invalid_parameters"]]) == (400, [field])
            assert problem["invalid_parameters"][0]["reason"]
        for body in ("{", "[]", '"10m"'):
            for order in ("_drain", "_undrain"):
                assert (await call(centre, "POST", f"/zones/east/{order}", body))[0] == 400
        for method, path in (("GET", "_drain"), ("POST", "_drain"), ("POST", "_undrain")):
            assert (await call(centre, method, f"/zones/nowhere/{path}", None if method == "GET" else {}))[0] == 404
        await _check_roles(centre)
        refused = [json.loads(line) for line in audit.read_text().splitlines() if '"refused"' in line]
        assert {(line["user"], line["path"]) for line in refused} == {
            (user, f"/zones/east/{order}") for user in ("rita", "ada") for order in ("_drain", "_undrain")
        }
    finally:
        await centre.stop(signal.SIGTERM)


async def _check_roles(centre: GlobalProcess) -> None:
    """Whoever may write what stands outside meshes may drain, others may look at most."""
    for user, groups, expected in (("rita", [], 403), ("ada", [], 403), ("olga", ["ops"], 200)):
        token = await _token(centre, user, groups)
        assert (await call(centre, "GET", "/zones/east/_drain", token=token))[0] == 200
        assert (await call(centre, "POST", "/zones/east/_drain?dryRun=true", {}, token=token))[0] == 200
        assert (await call(centre, "GET", "/zones/east/_drain", token=token))[1]["state"] == "none"
        for order in ("_drain", "_undrain"):
            assert (await call(centre, "POST", f"/zones/east/{order}", {}, token=token))[0] == expected


async def _token(centre: GlobalProcess, name: str, groups: list[str]) -> str:
    body = {"name": name, "groups": groups, "validFor": "1h"}
    url = f"http://127.0.0.1:{centre.api}/tokens/user"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.post(url, json=body) as answer:
        return await answer.text()


async def test_another_replica_goes_on_when_the_leader_dies(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        etcd = Etcd(tmp_path)
        stack.push_async_callback(etcd.kill)
        await etcd.start()
        shared = {
            "KUMA_STORE_TYPE": "etcd",
            "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints),
            "KUMA_INTER_CP_LEASE_LEADER": "2s",
        }
        # The first one to start leads.
        leader, follower = (Replica(tmp_path / name, shared) for name in ("leader", "follower"))
        for replica in (leader, follower):
            stack.push_async_callback(replica.close)
            await replica.start()
        await follower.call("PUT", "/zones/east", {"type": "Zone", "name": "east"})
        seen = [100]

        async def reached(most: int) -> bool:
            _, document = await follower.call("GET", "/zones/east/_drain")
            if document["share"] != seen[-1]:
                seen.append(document["share"])
            return seen[-1] <= most

        assert (await follower.call("POST", "/zones/east/_drain", {"over": "8s"}))[0] == 200
        await until(lambda: reached(87))
        await leader.stop(signal.SIGKILL)
        await until(lambda: reached(0))
        assert seen == sorted(seen, reverse=True)
        assert (await follower.call("GET", "/zones/east/_drain"))[1]["state"] == "drained"
