"""What the API computes: index, overviews, insights, selections, identifiers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane, Start
from ursa.model.resource import Resource


def dataplane(name: str, service: str, *, ready: bool = True) -> Resource:
    inbound: dict[str, Any] = {"port": 80, "tags": {"kuma.io/service": service, "kuma.io/zone": "default"}}
    if not ready:
        inbound["state"] = "NotReady"
    return Resource("Dataplane", "default", name, {"networking": {"address": "10.0.0.1", "inbound": [inbound]}})


def insight(name: str, *, online: bool) -> Resource:
    subscription = {"id": "1", "connectTime": "2026-01-01T00:00:00Z"}
    if not online:
        subscription["disconnectTime"] = "2026-01-01T00:01:00Z"
    return Resource("DataplaneInsight", "default", name, {"subscriptions": [subscription]})


@pytest.fixture
async def busy(zone: ControlPlane) -> ControlPlane:
    """A zone with four proxies of two services."""
    external = {"tags": {"kuma.io/service": "ext"}, "networking": {"address": "e:1"}}
    await zone.add(
        *(dataplane("a-1", "a"), insight("a-1", online=True)),
        *(dataplane("a-2", "a"), insight("a-2", online=False)),
        *(dataplane("b-1", "b", ready=False), insight("b-1", online=True)),
        dataplane("b-2", "b"),
        Resource("ExternalService", "default", "e", external),
    )
    return zone


async def test_the_index_identifies_the_control_plane(start: Start) -> None:
    for mode in ("zone", "global"):
        _, index = await (await start(MODE=mode)).get("/")
        assert (index["product"], index["version"], index["gui"]) == ("Kuma", "2.13.10", "/gui")
        assert len(index["clusterId"]) == 36
        assert index["instanceId"] == "test-1234"


async def test_overviews_join_objects_with_insights(busy: ControlPlane) -> None:
    _, page = await busy.get("/meshes/default/dataplanes/_overview?name=b-")
    assert ["dataplaneInsight" in item for item in page["items"]] == [True, False]
    _, one = await busy.get("/meshes/default/dataplanes/b-2/_overview")
    assert (one["type"], one["dataplaneInsight"]) == ("DataplaneOverview", {})
    for path in ("dataplanes+insights", "meshes/default/dataplanes+insights", "dataplanes/_overview"):
        assert (await busy.get("/" + path))[1]["total"] == 4
    assert (await busy.get("/zones/default/_overview"))[1]["zoneInsight"] == {}
    assert (await busy.get("/zoneegressoverviews"))[1]["total"] == 0


async def test_connection_and_health_are_two_things(busy: ControlPlane) -> None:
    for path in ("/dataplanes/_status", "/meshes/default/dataplanes/_status"):
        _, page = await busy.get(path)
        assert {item["name"]: (item["connection"], item["health"]) for item in page["items"]} == {
            "a-1": ("online", "healthy"),
            "a-2": ("offline", "healthy"),
            "b-1": ("online", "unhealthy"),
            "b-2": ("offline", "healthy"),
        }
    _, one = await busy.get("/meshes/default/dataplanes/b-1/_status")
    assert one["notReady"] == [{"port": 80, "service": "b"}]
    assert (await busy.get("/meshes/default/dataplanes/nobody/_status"))[0] == 404
    assert (await busy.get("/meshes/default/dataplanes/_status?name=b&size=1"))[1]["total"] == 2


async def test_mesh_insights_count_proxies(busy: ControlPlane) -> None:
    _, found = await busy.get("/mesh-insights/default")
    assert found["dataplanes"] == {"total": 4, "online": 1, "offline": 3}
    assert found["services"] == {"total": 3, "internal": 2, "external": 1}
    assert found["policies"]["MeshTimeout"] == {"total": 2}
    assert found["dpVersions"]["envoy"] == {"unknown": {"total": 4, "online": 1, "offline": 3}}
    await busy.add(insight("b-2", online=True))
    assert (await busy.get("/mesh-insights"))[1]["items"][0]["dataplanes"]["online"] == 2


async def test_service_insights(busy: ControlPlane) -> None:
    _, page = await busy.get("/meshes/default/service-insights")
    assert [(i["name"], i["status"]) for i in page["items"]] == [
        ("a", "partially_degraded"),
        ("b", "offline"),
        ("ext", "not_available"),
    ]
    assert page["items"][0]["addressPort"] == "a.mesh:80"
    assert (await busy.get("/meshes/default/service-insights?type=external"))[1]["total"] == 1
    assert (await busy.get("/service-insights?type=foo"))[0] == 400
    _, unknown = await busy.get("/meshes/default/service-insights/zzz")
    assert (unknown["dataplanes"], unknown["addressPort"]) == ({}, "zzz.mesh:80")


async def test_global_insight_adds_up(busy: ControlPlane) -> None:
    _, found = await busy.get("/global-insight")
    assert found["dataplanes"]["standard"] == {"online": 1, "offline": 3, "partiallyDegraded": 0, "total": 4}
    assert found["services"]["internal"]["total"] == 2
    assert (await busy.get("/global-insights"))[1]["resources"]["Mesh"] == {"total": 1}


async def test_filters(busy: ControlPlane) -> None:
    path = "/meshes/default/dataplanes"
    assert (await busy.get(f"{path}?tag=kuma.io/service:a"))[1]["total"] == 2
    assert (await busy.get(f"{path}?tag=kuma.io/service:a&tag=kuma.io/zone:def&tag=x"))[1]["total"] == 2
    assert (await busy.get(f"{path}?gateway=true"))[1]["total"] == 0
    assert (await busy.get(f"{path}?gateway=foo"))[0] == 400


async def test_policies_tell_whom_they_select(busy: ControlPlane) -> None:
    path = "/meshes/default/meshtimeouts/mesh-timeout-all-default"
    for tail in ("_resources", "-resources"):
        _, page = await busy.get(f"{path}/{tail}/dataplanes?size=3")
        assert (page["total"], len(page["items"]), "next" in page) == (4, 3, True)
    _, none = await busy.get("/meshes/default/meshtimeouts/mesh-gateways-timeout-all-default/_resources/dataplanes")
    assert none == {"total": 0, "items": []}


async def test_older_inspection_calls(busy: ControlPlane) -> None:
    _, found = await busy.get("/meshes/default/meshtimeouts/mesh-timeout-all-default/dataplanes")
    item = {"mesh": "default", "name": "a-1"}
    assert found["total"] == 4
    assert found["items"][0] == {"kind": "SidecarDataplane", "dataplane": item, "attachments": [{"type": "dataplane"}]}
    assert await busy.get("/meshes/default/meshtimeouts/zzz/dataplanes") == (200, {"total": 0, "items": []})
    anybody = {"match": {"kuma.io/service": "*"}}
    permission = {"sources": [anybody], "destinations": [{"match": {"kuma.io/service": "a"}}]}
    await busy.add(Resource("TrafficPermission", "default", "tp", permission))
    _, found = await busy.get("/meshes/default/traffic-permissions/tp/dataplanes")
    inbound = {"type": "inbound", "name": "10.0.0.1:80:80", "service": "a"}
    assert [i["attachments"] for i in found["items"]] == [[inbound], [inbound]]
    _, found = await busy.get("/meshes/default/dataplanes/a-1/policies")
    assert [set(i["matchedPolicies"]) for i in found["items"]] == [
        {"TrafficPermission"},
        {"MeshTimeout", "MeshCircuitBreaker", "MeshRetry"},
    ]
    gateway = {"gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}}, "address": "10.0.0.2"}
    edge = {"selectors": [{"match": {"kuma.io/service": "edge"}}]}
    await busy.add(
        Resource("Dataplane", "default", "gw", {"networking": gateway}), Resource("MeshGateway", "default", "g", edge)
    )
    _, found = await busy.get("/meshes/default/meshgateways/g/dataplanes")
    assert found["items"] == [{"dataplane": {"mesh": "default", "name": "gw"}}]


async def test_a_zone_below_a_global_has_no_mesh_insights(start: Start) -> None:
    plane = await start(MULTIZONE_ZONE_GLOBAL_ADDRESS="grpcs://g:5685")
    assert (await plane.get("/mesh-insights"))[1]["total"] == 0
    assert (await plane.get("/"))[1]["gui"] == ""


async def test_configuration_is_shown_without_secrets(start: Start) -> None:
    plane = await start(STORE_POSTGRES_PASSWORD="hunter2")
    status, found = await plane.get("/config")
    assert (status, found["store"]["postgres"]["password"]) == (200, "*****")
    assert found["mode"] == "zone"
