"""How much is done for a change of a real service: what it touches is made once, whatever the number of proxies."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.zone_cp.test_work import PROXIES, REGISTRY, SERVICES, Envoy, Zone, running
from ursa.envoy import types
from ursa.model.forms import from_rest
from ursa.model.resource import Resource
from ursa.planner.inputs import ProxyFacts

LOCAL = {"kuma.io/origin": "zone", "kuma.io/zone": "east"}
CLUSTER = "default_svc-{}__east_msvc_80"
EVERYWHERE = "default_all___mzsvc_80"


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    async with running() as zone:
        await zone.put(from_rest({"type": "Mesh", "name": "default"}, REGISTRY))
        for number in range(SERVICES):
            await zone.put(service(number))
        await zone.put(everywhere())
        for number in range(PROXIES):
            stored = await zone.put(instance(f"dp-{number}", f"10.0.0.{number}", number % SERVICES))
            zone.envoys.append(Envoy(zone.reconciler.attach(stored.key, ProxyFacts(stored.name))))
        await zone.quiet()
        await zone.all_follow()
        assert all(len(envoy.versions[types.ENDPOINT]) == SERVICES + 1 for envoy in zone.envoys)
        yield zone


def service(number: int, **status: Any) -> Resource:
    """A MeshService of this zone."""
    selector = {"dataplaneTags": {"kuma.io/service": f"svc-{number}"}}
    spec = {"selector": selector, "ports": [{"port": 80, "targetPort": 8080, "appProtocol": "http"}]}
    return Resource("MeshService", "default", f"svc-{number}", spec, LOCAL, {"tls": {"status": "Ready"}, **status})


def everywhere() -> Resource:
    """The first service, wherever it is."""
    status = {"meshServices": [{"name": "svc-0", "namespace": "", "zone": "east", "mesh": "default"}]}
    spec = {"ports": [{"port": 80, "appProtocol": "http"}]}
    return Resource("MeshMultiZoneService", "default", "all", spec, {}, status)


def instance(name: str, address: str, number: int) -> Resource:
    """A Dataplane that reaches all services."""
    references = [
        *({"kind": "MeshService", "name": f"svc-{one}", "port": 80} for one in range(SERVICES)),
        {"kind": "MeshMultiZoneService", "name": "all", "port": 80},
    ]
    networking = {
        "address": address,
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": f"svc-{number}", "kuma.io/protocol": "http"}}],
        "outbound": [{"port": 10000 + place, "backendRef": ref} for place, ref in enumerate(references)],
    }
    return Resource("Dataplane", "default", name, {"networking": networking}, LOCAL)


def timeout(kind: str, name: str, seconds: int) -> Resource:
    """A policy about one destination of everybody."""
    to = [{"targetRef": {"kind": kind, "name": name}, "default": {"http": {"requestTimeout": f"{seconds}s"}}}]
    spec = {"targetRef": {"kind": "Mesh"}, "to": to}
    return Resource("MeshTimeout", "default", "slow", spec, LOCAL)


async def test_one_instance_more_is_one_assignment_and_one_response_each(zone: Zone) -> None:
    before = zone.work
    await zone.put(instance("extra", "10.0.1.0", 1))
    await zone.all_follow()
    assert zone.work - before == Counter(assignments=1)
    assert zone.responses == Counter({types.ENDPOINT: PROXIES})
    names = {resource.name for envoy in zone.envoys for r in envoy.got for resource in r.resources}
    assert names == {CLUSTER.format(1)}
    assert len({id(envoy.proxy.served) for envoy in zone.envoys}) == 1, "all proxies share one set of bytes"


async def test_an_instance_of_a_multi_zone_service_is_one_assignment_for_it_too(zone: Zone) -> None:
    before = zone.work
    await zone.put(instance("extra", "10.0.1.0", 0))
    await zone.all_follow()
    assert zone.work - before == Counter(assignments=2)
    assert zone.responses == Counter({types.ENDPOINT: PROXIES})
    names = {resource.name for envoy in zone.envoys for r in envoy.got for resource in r.resources}
    assert names == {CLUSTER.format(0), EVERYWHERE}


async def test_what_a_service_counts_plans_nothing(zone: Zone) -> None:
    before, snapshots = zone.work, [envoy.proxy.snapshot for envoy in zone.envoys]
    await zone.put(service(0, dataplaneProxies={"connected": 1, "healthy": 1, "total": 8}))
    await zone.quiet()
    assert zone.work == before
    assert [envoy.proxy.snapshot for envoy in zone.envoys] == snapshots


async def test_another_service_plans_the_class_once_and_sends_what_differs(zone: Zone) -> None:
    changed, before = service(1), zone.work
    ports = [*changed.spec["ports"], {"port": 81, "targetPort": 8080, "appProtocol": "tcp"}]
    await zone.put(replace(changed, spec={**changed.spec, "ports": ports}))
    await zone.all_follow()
    assert zone.work - before == Counter(classes=1)
    assert zone.responses == Counter(), "nobody has an outbound to the new port"
    await zone.put(replace(changed, spec={**changed.spec, "ports": [{**ports[0], "appProtocol": "tcp"}]}))
    await zone.all_follow()
    assert zone.work - before == Counter(classes=2)
    assert zone.responses == Counter({types.LISTENER: PROXIES})


async def test_a_policy_for_one_service_changes_one_listener(zone: Zone) -> None:
    await zone.put(timeout("MeshService", "svc-2", 20))
    await zone.all_follow()
    before = zone.work
    await zone.put(timeout("MeshService", "svc-2", 21))
    await zone.all_follow()
    assert zone.work - before == Counter(classes=1)
    names = {resource.name for envoy in zone.envoys for r in envoy.got for resource in r.resources}
    assert names == {"outbound:127.0.0.1:10002"}


@pytest.mark.parametrize("reached", ["*", "svc-1"])
async def test_direct_access_follows_the_instances(zone: Zone, reached: str) -> None:
    transparent = {"redirectPortOutbound": 15001, "redirectPortInbound": 15006, "directAccessServices": [reached]}
    networking = {**instance("near", "10.0.2.0", 1).spec["networking"], "transparentProxying": transparent}
    stored = await zone.put(Resource("Dataplane", "default", "near", {"networking": networking}, LOCAL))
    near = Envoy(zone.reconciler.attach(stored.key, ProxyFacts("near")))
    await near.follow()
    assert "direct_access_10.0.1.0:8080" not in near.versions[types.LISTENER]
    await zone.put(instance("extra", "10.0.1.0", 1))
    await near.follow()
    assert "direct_access_10.0.1.0:8080" in near.versions[types.LISTENER]
