"""The table of virtual addresses follows what a zone and its neighbours offer, and is written only when it differs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.kds.lab import Side
from ursa.model.resource import Resource
from ursa.topology.vips import config_name, parse_table
from zone_cp.vips import VipAllocator


class Zone(Side):
    """A zone that gives addresses to its services, or only to what is named."""

    async def start(self, *, named: bool = True) -> None:
        await self.open()
        allocator = VipAllocator(self.store, self.live, self.clock, "east", "240.0.0.0/4", named=named)
        self.supervisor.start("addresses", allocator.run)
        await self.put(Resource("Mesh", "", "default", {}))

    @property
    def table(self) -> set[str]:
        """What has an address."""
        config = self.live.current.get("Config", "", config_name("default"))
        return set() if config is None else set(parse_table(config.spec["config"]))

    async def has(self, *keys: str) -> None:
        await self.until(lambda: self.table == set(keys))


def web(name: str = "web-1", **tags: str) -> Resource:
    inbound = {"port": 80, "tags": {"kuma.io/service": "web", **tags}}
    return Resource("Dataplane", "default", name, {"networking": {"address": "10.0.0.1", "inbound": [inbound]}})


def by_version(suffix: str = "mesh") -> Resource:
    parameters = [{"name": "svc", "tagKey": "kuma.io/service"}, {"name": "version"}]
    conf = {"host": "{{.version}}.{{.svc}}." + suffix, "port": "90", "parameters": parameters}
    match = {"kuma.io/service": "*", "version": "*"}
    return Resource("VirtualOutbound", "default", "vo", {"selectors": [{"match": match}], "conf": conf})


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    side = Zone()
    yield side
    await side.close()


async def test_names_of_instances_come_and_go_with_them_and_with_the_policy(zone: Zone) -> None:
    await zone.start()
    await zone.put(web(version="v1"))
    await zone.has("0:web")
    await zone.put(by_version())
    await zone.has("0:web", "2:v1.web.mesh")
    await zone.put(web("web-2", version="v2"))
    await zone.has("0:web", "2:v1.web.mesh", "2:v2.web.mesh")
    await zone.put(web(version="v3"), by_version("test"))
    await zone.has("0:web", "2:v2.web.test", "2:v3.web.test")
    await zone.delete("VirtualOutbound", "default", "vo")
    await zone.has("0:web")


async def test_instances_of_other_zones_have_names_too(zone: Zone) -> None:
    await zone.start()
    offered = [{"mesh": "default", "instances": 1, "tags": {"kuma.io/service": "web", "version": "v9"}}]
    networking = {"advertisedAddress": "10.9.0.1", "advertisedPort": 10001}
    spec = {"zone": "west", "networking": networking, "availableServices": offered}
    await zone.put(by_version(), Resource("ZoneIngress", "", "gate", spec, {"kuma.io/origin": "global"}))
    await zone.has("0:web", "2:v9.web.mesh")


async def test_where_services_have_no_addresses_names_still_have(zone: Zone) -> None:
    await zone.start(named=False)
    await zone.put(web(version="v1"), by_version())
    await zone.has("2:v1.web.mesh")


async def test_one_instance_more_with_known_tags_writes_nothing(zone: Zone) -> None:
    await zone.start()
    await zone.put(by_version(), web(version="v1"))
    await zone.has("0:web", "2:v1.web.mesh")
    before = zone.live.current.get("Config", "", config_name("default"))
    await zone.put(web("web-2", version="v1"), web("web-3", version="v2"))
    await zone.has("0:web", "2:v1.web.mesh", "2:v2.web.mesh")
    after = zone.live.current.get("Config", "", config_name("default"))
    assert before is not None and after is not None
    assert after.version == before.version + 3, "two instances and one table"
