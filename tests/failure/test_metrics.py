"""The metrics of real control planes, as Kuma's dashboards and alerts read them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from tests.failure.replicas import Replica, policy, until
from tests.failure.test_fencing import DATAPLANE, DATAPLANES, two_globals, zone

LINE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

SYNC: Mapping[str, tuple[str, set[str]]] = {
    "kds_delta_responses_sent": ("counter", {"type_url"}),
    "kds_delta_responses_sent_bytes": ("histogram", {"type_url"}),
    "kds_delta_requests_received": ("counter", {"type_url", "confirmation", "error_type"}),
    "kds_delta_streams_active": ("gauge", set()),
    "kds_delta_delivery": ("summary", set()),
    "kds_delta_generation": ("summary", {"reason", "result"}),
    "kds_delta_generation_errors": ("counter", set()),
    "kds_resources_sync": ("histogram", set()),
    "component_heartbeat": ("summary", set()),
    "component_heartbeat_failures": ("counter", set()),
    "component_catalog_writer": ("summary", set()),
    "store": ("histogram", {"operation", "resource_type"}),
    "cp_info": (
        "gauge",
        {
            "product",
            "version",
            "git_tag",
            "git_commit",
            "build_date",
            "based_on_kuma",
            "instance_id",
            "cluster_id",
        },
    ),
    "leader": ("gauge", set()),
    "process_resident_memory_bytes": ("gauge", set()),
}
"""Type and labels beside `zone` of what both kinds of control planes have."""

OF_GLOBAL = {
    "kds_delta_client_versions": ("gauge", {"client_version"}),
    "component_sub_finalizer": ("summary", set[str]()),
    "component_zone_watch": ("summary", set[str]()),
}
OF_ZONE = {
    f"component_{name}": ("summary", set[str]())
    for name in (
        "zone_available_services",
        "vip_allocator",
        "hostname_generator",
        "ms_status_updater",
        "mzms_status_updater",
        "meshservice_generator",
    )
}

EVERYWHERE = {
    **{name: kind for name, (kind, _) in SYNC.items()},
    "store_conflicts": "counter",
    **{f"grpc_server_{name}_total": "counter" for name in ("started", "handled", "msg_received", "msg_sent")},
    "grpc_server_handling_seconds": "histogram",
    "kds_delta_client_versions": "gauge",
    "process_cpu_seconds_total": "counter",
    **{
        f"api_server_http_{name}": kind
        for name, kind in (
            ("request_duration_seconds", "histogram"),
            ("response_size_bytes", "histogram"),
            ("requests_inflight", "gauge"),
        )
    },
}
"""Names that Kuma's control planes have, and their types, whether or not something was counted yet."""

AT_GLOBAL = {name: kind for name, (kind, _) in OF_GLOBAL.items()}
AT_ZONE = {
    **{name: kind for name, (kind, _) in OF_ZONE.items()},
    **{
        f"{server}_server_http_{name}": kind
        for server in ("dp", "mads")
        for name, kind in (
            ("request_duration_seconds", "histogram"),
            ("response_size_bytes", "histogram"),
            ("requests_inflight", "gauge"),
        )
    },
    **{
        f"{protocol}_{name}": kind
        for protocol in ("xds", "hds")
        for name, kind in (
            ("generation", "summary"),
            ("generation_errors", "counter"),
            ("requests_received", "counter"),
            ("responses_sent", "counter"),
            ("streams_active", "gauge"),
        )
    },
    "xds_delivery": "summary",
    "xds_responses_sent_bytes": "histogram",
    "xds_client_versions": "gauge",
    "xds_dataplane_config_regenerated_total": "counter",
    "cla_cache": "counter",
    "vip_generation": "summary",
    "vip_generation_errors": "counter",
    "ca_manager_get_cert": "summary",
    "ca_manager_get_root_cert_chain": "summary",
    "cert_generation": "counter",
}
ABSENT = (
    # What is read comes from a view in memory, which is no cache of anything: there is nothing to miss.
    "store_cache",
    "mesh_cache",
    # Insights are computed when somebody asks for them, not by a loop; so are the counts of resources.
    "insights_resyncer_processor_idle_time",
    "insights_resyncer_event_time_processing",
    "insights_resyncer_event_time_to_process",
    "component_store_counter",
    # Subscribers that are slow get several changes as one; no event is ever dropped.
    "events_dropped",
    # Workloads are not made from Dataplanes yet.
    "component_workload_generator",
    "component_workload_status_updater",
    # Only what a process counts before it ends, which nobody scrapes any more.
    "dp_server_shutdown_duration_seconds",
    "dp_server_force_stop_total",
    # A zone's connection to the global is counted there, and at the zone as `kds_delta_*`.
    "grpc_client_started_total",
    # Of the runtime of Go, and of Kubernetes.
    "go_goroutines",
    "k8s_events_dropped_total",
)
"""Names of Kuma's that do not exist here, and why."""


class Scrape:
    """What one control plane tells."""

    def __init__(self, text: str) -> None:
        self.types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
        found = [LINE.match(line) for line in text.splitlines() if not line.startswith("#")]
        assert all(found), "every line can be read"
        self.samples = [(m["name"], dict(LABEL.findall(m["labels"])), float(m["value"])) for m in found if m]

    def value(self, name: str, **labels: str) -> float:
        """The sum of a sample over all that has these labels."""
        return sum(v for n, found, v in self.samples if n == name and labels.items() <= found.items())

    def check(self, expected: Mapping[str, tuple[str, set[str]]]) -> None:
        """Fails unless all of these are there, with exactly these labels."""
        for name, (kind, labels) in expected.items():
            assert self.types.get(name) == kind, name
            sample = f"{name}_count" if kind in ("histogram", "summary") else name
            shown = [set(found) for n, found, _ in self.samples if n == sample]
            assert shown and all(one == labels | {"zone"} for one in shown), name


async def scrape(plane: Replica) -> Scrape:
    return Scrape(await plane.metrics())


async def test_both_control_planes_tell_what_dashboards_ask(tmp_path: Path) -> None:
    async with two_globals(tmp_path, KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL="200ms") as centres:
        east = zone(tmp_path / "east", "east", centres[0])
        try:
            await east.start()

            async def has_defaults() -> bool:
                _, found = await east.call("GET", "/meshes/default/meshtimeouts")
                return bool(found.get("total"))

            await until(has_defaults)
            await centres[0].call("PUT", "/meshes/default/meshtimeouts/t", policy("t"))
            await east.call("PUT", f"{DATAPLANES}/web", DATAPLANE)

            async def arrived() -> bool:
                here, there = await asyncio.gather(scrape(centres[0]), scrape(east))
                acknowledged = {"confirmation": "ACK", "error_type": "no_error"}
                return bool(
                    here.value("kds_delta_requests_received", type_url="MeshTimeout", **acknowledged) >= 2
                    and there.value("kds_delta_requests_received", type_url="Dataplane", **acknowledged) >= 1
                )

            await until(arrived)
            told = [await scrape(plane) for plane in (*centres, east)]
            for here in told[:2]:
                here.check({**SYNC, **OF_GLOBAL} if here is told[0] else {"leader": SYNC["leader"]})
                assert {found["zone"] for _, found, _ in here.samples} <= {"Global", "east"}
            told[2].check({**SYNC, **OF_ZONE})
            for one, names in ((told[0], {**EVERYWHERE, **AT_GLOBAL}), (told[2], {**EVERYWHERE, **AT_ZONE})):
                assert names.items() <= one.types.items(), names.items() - one.types.items()
                assert not one.types.keys() & set(ABSENT)
            assert {found["zone"] for _, found, _ in told[2].samples} == {"east"}
            assert sum(one.value("leader") for one in told[:2]) == told[2].value("leader") == 1
            assert sum(one.value("component_heartbeat_count") for one in told[:2]) > 0
            assert told[0].value("kds_delta_streams_active") == 1 and told[2].value("kds_delta_streams_active") == 0
            assert told[0].value("kds_delta_client_versions") == 1
            down = {"grpc_service": "kuma.mesh.v1alpha1.KDSSyncService", "grpc_method": "GlobalToZoneSync"}
            assert told[0].value("grpc_server_started_total", **down) == 1
            assert (
                told[0].value("grpc_server_msg_sent_total", **down)
                > 0
                < told[0].value("grpc_server_msg_received_total", **down)
            )
            assert told[0].value("kds_delta_responses_sent_bytes_sum", type_url="MeshTimeout") > 100
            assert told[0].value("kds_resources_sync_count") > 0 and told[2].value("kds_resources_sync_count") > 0
            quantiles = {found["quantile"] for n, found, _ in told[0].samples if n == "kds_delta_delivery"}
            assert quantiles == {"0.5", "0.9", "0.99"}
            counted = sum(one.value("resources_count", resource_type="MeshTimeout") for one in told[:2])
            assert counted == (await centres[0].call("GET", "/meshes/default/meshtimeouts"))[1]["total"]
            # Sent are what the insight says was sent.
            _, insight = await centres[0].call("GET", "/zone-insights/east")
            sent = int(insight["subscriptions"][0]["status"]["total"]["responsesSent"])
            assert 0 < sent <= told[0].value("kds_delta_responses_sent")
        finally:
            await east.close()
