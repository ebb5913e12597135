"""Rules of writes that are easier to see without HTTP: revisions, kept health, guards, authorities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ursa.admission.manager import ResourceManager
from ursa.admission.refusals import Refused, Stage
from ursa.catalog import default_registry
from ursa.errors import InvalidResource
from ursa.identity.ca import create_mesh_ca
from ursa.identity.signing_keys import secret
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.tasks import Supervisor
from ursa.store.contract import Update, create
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView


@dataclass(frozen=True)
class Desk:
    """A manager with what stands behind it."""

    manager: ResourceManager
    store: MemoryStore
    live: LiveView

    async def put(self, kind: str, name: str, mesh: str = "", **fields: Any) -> Any:
        body = {"type": kind, "name": name, **({"mesh": mesh} if mesh else {}), **fields}
        return await self.manager.put(default_registry()[kind], mesh, name, body)

    async def delete(self, kind: str, name: str, mesh: str = "") -> int:
        return (await self.manager.delete(default_registry()[kind], mesh, name)).revision


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async for one in _desk({}):
        yield one


@pytest.fixture
async def global_desk() -> AsyncIterator[Desk]:
    async for one in _desk({"KUMA_MODE": "global"}):
        yield one


async def _desk(variables: dict[str, str]) -> AsyncIterator[Desk]:
    clock = SystemClock()
    store = MemoryStore(clock)
    live = LiveView(store)
    supervisor = Supervisor(clock)
    supervisor.start("view", live.run)
    await live.ready.wait()
    manager = ResourceManager(store, live, default_registry(), load(None, variables).settings, clock)
    yield Desk(manager, store, live)
    await supervisor.close()


PROBED = {"port": 80, "tags": {"kuma.io/service": "a"}, "serviceProbe": {"tcp": {}}}
MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}


async def test_a_mesh_and_its_companions_are_one_transaction(desk: Desk) -> None:
    written = await desk.put("Mesh", "m", mtls=MTLS)
    versions = {resource.version for resource in (await desk.store.contents()).resources}
    assert versions == {written.revision}


async def test_an_unchanged_write_names_the_revision_that_holds(desk: Desk) -> None:
    first = await desk.put("Mesh", "m")
    await desk.put("Mesh", "other")
    again = await desk.put("Mesh", "m")
    assert (again.changed, again.revision) == (False, first.revision)


async def test_observed_health_survives_a_rewrite_of_the_dataplane(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    written = await desk.put("Dataplane", "d", "m", networking={"address": "1.1.1.1", "inbound": [PROBED]})
    inbound = {**written.resource.spec["networking"]["inbound"][0], "state": "Ready", "health": {"ready": True}}
    seen = written.resource.with_spec({"networking": {"address": "1.1.1.1", "inbound": [inbound]}})
    await desk.store.write([Update(seen)])
    again = await desk.put("Dataplane", "d", "m", networking={"address": "1.1.1.2", "inbound": [PROBED]})
    assert again.resource.spec["networking"]["inbound"][0]["health"] == {"ready": True}


async def test_mtls_of_an_existing_mesh_makes_its_authority_once(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    await desk.put("Mesh", "m", mtls=MTLS)
    first = desk.live.current.get("Secret", "m", "m.ca-builtin-cert-ca")
    await desk.put("Mesh", "m")
    await desk.put("Mesh", "m", mtls=MTLS)
    assert first is not None
    assert desk.live.current.get("Secret", "m", "m.ca-builtin-cert-ca") is first


async def test_provided_authorities_are_looked_at(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    authority = create_mesh_ca("m", SystemClock().now_ns())
    other = create_mesh_ca("m", SystemClock().now_ns())
    for name, pem in (("cert", authority.bundle_pem), ("key", authority.key_pem), ("wrong", other.key_pem)):
        await create(desk.store, secret("Secret", "m", name, pem))

    def mtls(key: str) -> dict[str, Any]:
        conf = {"cert": {"secret": "cert"}, "key": {"secret": key}}
        return {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "provided", "conf": conf}]}

    for key in ("wrong", "absent"):
        with pytest.raises(Refused) as caught:
            await desk.put("Mesh", "m", mtls=mtls(key))
        assert caught.value.stage is Stage.UPDATING
    assert (await desk.put("Mesh", "m", mtls=mtls("key"))).changed
    with pytest.raises(Refused) as caught:
        await desk.delete("Secret", "key", "m")
    assert caught.value.stage is Stage.DELETING


EXTERNAL = {"networking": {"address": "api.com:443"}, "tags": {"kuma.io/service": "api"}}


def limit(**destination: str) -> dict[str, Any]:
    return {
        "sources": [{"match": {"kuma.io/service": "*"}}],
        "destinations": [{"match": {"kuma.io/service": "api", **destination}}],
        "conf": {"http": {"requests": 1, "interval": "1s"}},
    }


async def test_limits_know_external_services_by_name_only(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    await desk.put("ExternalService", "api", "m", **EXTERNAL)
    with pytest.raises(Refused) as caught:
        await desk.put("RateLimit", "narrow", "m", **limit(version="v1"))
    assert (caught.value.stage, caught.value.violations[0].field) == (Stage.CREATING, "ratelimit")
    assert (await desk.put("RateLimit", "wide", "m", **limit())).created


async def test_an_external_service_does_not_come_below_a_narrower_limit(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    await desk.put("RateLimit", "narrow", "m", **limit(version="v1"))
    with pytest.raises(Refused):
        await desk.put("ExternalService", "api", "m", **EXTERNAL)


async def test_all_violations_of_a_stage_are_named(desk: Desk) -> None:
    await desk.put("Mesh", "m")
    with pytest.raises(InvalidResource) as caught:
        await desk.put("Dataplane", "d", "m", networking={"address": "", "inbound": [{"port": 0, "tags": {}}]})
    assert len(caught.value.violations) >= 3


async def test_a_connected_zone_and_its_objects_stay(global_desk: Desk) -> None:
    desk = global_desk
    await desk.put("Mesh", "m")
    await desk.put("Zone", "east")
    labels = {"kuma.io/origin": "zone", "kuma.io/zone": "east"}
    await create(desk.store, Resource("MeshTimeout", "m", "t-x", {}, labels))
    online = Resource(
        "ZoneInsight", "", "east", {"subscriptions": [{"id": "1", "connectTime": "2026-01-01T00:00:00Z"}]}
    )
    insight = await create(desk.store, online)
    for kind, name, mesh in (("Zone", "east", ""), ("MeshTimeout", "t-x", "m")):
        with pytest.raises(Refused):
            await desk.delete(kind, name, mesh)
    await desk.store.write([Update(insight.with_spec({"subscriptions": []}))])
    await desk.delete("Zone", "east")
    assert desk.live.current.get("ZoneInsight", "", "east") is None
