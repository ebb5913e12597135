"""Whether an Envoy was sent anything is told by its contents, versions, times and counters, not by their order."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from aiohttp import web

from deploy.demo.configuration import configurations, differences

DUMP: dict[str, Any] = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "version_info": "v1",
            "dynamic_active_clusters": [
                {"version_info": "a", "cluster": {"name": "backend"}, "last_updated": "1"},
                {"version_info": "b", "cluster": {"name": "echo"}, "last_updated": "1"},
            ],
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
            "static_route_configs": [
                {"route_config": {"virtual_hosts": [1]}},
                {"route_config": {"virtual_hosts": [2]}},
            ],
        },
    ]
}


class Admin:
    """An admin interface with contents that tests change."""

    def __init__(self) -> None:
        self.dump, self.updates = copy.deepcopy(DUMP), 3

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/config_dump", self._config)
        app.router.add_get("/stats", self._stats)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner

    @property
    def clusters(self) -> dict[str, Any]:
        return self.dump["configs"][0]

    async def _config(self, _: web.Request) -> web.Response:
        return web.json_response(self.dump)

    async def _stats(self, _: web.Request) -> web.Response:
        stats = [{"name": "cluster_manager.cds.update_success", "value": self.updates}]
        return web.json_response({"stats": stats})


def change_order(admin: Admin) -> None:
    admin.clusters["dynamic_active_clusters"].reverse()
    admin.dump["configs"][1]["static_route_configs"].reverse()


def change_content(admin: Admin) -> None:
    admin.clusters["dynamic_active_clusters"][0]["cluster"]["connect_timeout"] = "9s"


def send_again(admin: Admin) -> None:
    admin.clusters["dynamic_active_clusters"][1]["last_updated"] = "2"


def count_an_update(admin: Admin) -> None:
    admin.updates += 1


def lose_a_cluster(admin: Admin) -> None:
    admin.clusters["dynamic_active_clusters"].pop()


def change_a_nameless_one(admin: Admin) -> None:
    admin.dump["configs"][1]["static_route_configs"][1]["route_config"]["virtual_hosts"] = [3]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_order, []),
        (change_content, ["web: ClustersConfigDump dynamic_active_clusters backend"]),
        (send_again, ["web: ClustersConfigDump dynamic_active_clusters echo"]),
        (count_an_update, ["web: cluster_manager.cds.update_success"]),
        (lose_a_cluster, ["web: ClustersConfigDump dynamic_active_clusters echo"]),
        (change_a_nameless_one, ["web: RoutesConfigDump static_route_configs "]),
    ],
)
async def test_every_way_to_be_sent_something_is_seen(change: Any, found: list[str]) -> None:
    admin = Admin()
    runner = await admin.start()
    try:
        before = await configurations({"web": admin.port})
        change(admin)
        assert differences(before, await configurations({"web": admin.port})) == found
    finally:
        await runner.cleanup()
