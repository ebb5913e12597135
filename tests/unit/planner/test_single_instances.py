"""Single instances have names that mean them in every zone: a MeshService for each, as headless services want it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.planner.test_external_outbounds import plan
from tests.unit.planner.test_zone_proxies import INGRESS, Zone
from ursa.model.resource import Resource
from ursa.topology.services.hostnames import with_hostnames

GENERATOR = Resource(
    "HostnameGenerator",
    "",
    "instances",
    {
        "selector": {"meshService": {"matchLabels": {"app": "kafka"}}},
        "template": '{{ label "instance" }}.kafka.svc.{{ .Zone }}.mesh.local',
    },
)


def kafka(number: int) -> tuple[Resource, Resource]:
    """An instance and the MeshService that means it alone."""
    name = f"kafka-{number}"
    inbound = {"port": 9092, "tags": {"kuma.io/service": "kafka", "kuma.io/zone": "east"}}
    networking = {"address": f"10.0.7.{number}", "inbound": [inbound]}
    spec = {
        "selector": {"dataplaneRef": {"name": name}},
        "ports": [{"port": 9092, "targetPort": 9092, "appProtocol": "kafka"}],
        "state": "Available",
    }
    labels = {
        "kuma.io/zone": "east",
        "kuma.io/origin": "zone",
        "kuma.io/display-name": name,
        "app": "kafka",
        "instance": name,
    }
    return (
        Resource("Dataplane", "default", name, {"networking": networking}),
        Resource("MeshService", "default", name, spec, labels),
    )


def synced(service: Resource) -> Resource:
    """The service as other zones have it."""
    labels = {**service.labels, "kuma.io/origin": "global"}
    return replace(service, name=f"{service.name}-x4d2", labels=labels)


@pytest.fixture
def zone() -> Zone:
    return Zone()


def test_each_instance_is_found_by_its_own_name_from_its_own_zone(zone: Zone) -> None:
    for number in (1, 2):
        zone.put(*kafka(number))
    outbound = [
        {"address": "127.0.0.1", "port": n, "backendRef": {"kind": "MeshService", "name": f"kafka-{n}", "port": 9092}}
        for n in (1, 2)
    ]
    networking = {"address": "10.0.5.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "c"}}]}
    own = plan(zone, Resource("Dataplane", "default", "c", {"networking": {**networking, "outbound": outbound}}))
    found = [zone.addresses_of(own, f"default_kafka-{n}__east_msvc_9092") for n in (1, 2)]
    assert found == [["10.0.7.1"], ["10.0.7.2"]]
    planned = zone.planned(INGRESS)
    assert len(planned.snis) == 2
    behind = [zone.addresses(planned, f"default_kafka-{n}__east_msvc_9092") for n in (1, 2)]
    assert behind == [["10.0.7.1"], ["10.0.7.2"]], "other zones ask the ingress for one instance, too"


def test_names_are_the_same_in_all_zones_and_outlive_what_an_instance_is_stored_as() -> None:
    services = [service for n in (1, 2) for _, service in [kafka(n)]]
    names = {}
    for where, found in (("east", services), ("west", [synced(one) for one in services])):
        named = with_hostnames(found, [GENERATOR], where)
        names[where] = [address["hostname"] for one in named for address in (one.status or {})["addresses"]]
    assert names["east"] == names["west"] == [f"kafka-{n}.kafka.svc.east.mesh.local" for n in (1, 2)]
