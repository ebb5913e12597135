"""Real services: what Dataplanes make of them, how they are named and numbered. Recordings of Kuma decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ursa.model.resource import Resource
from ursa.model.timestamps import SECOND, parse_timestamp
from ursa.testing import shared_folder
from ursa.topology.services.addresses import AddressPool, address_of, with_address
from ursa.topology.services.generated import Generator
from ursa.topology.services.hostnames import in_order, with_hostnames
from ursa.topology.services.status import read_proxy, with_health, with_matches

META = {"type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri", "spec", "status"}
EAST = Generator("east", grace=3600)


def stored(document: dict[str, Any]) -> Resource:
    """A recorded answer of the API as the resource behind it."""
    spec = document.get("spec", {k: v for k, v in document.items() if k not in META})
    return Resource(
        document["type"], document.get("mesh", ""), document["name"], spec, document.get("labels", {}),
        document.get("status"), created=parse_timestamp(document["creationTime"]),
    )  # fmt: skip


def recording() -> Path:
    folder = shared_folder()
    if folder is None:
        pytest.skip("the recordings are not here")
    return folder / "reference/dataplane/05-meshservices-exclusive-mtls"


def listed(name: str) -> list[Resource]:
    return [stored(item) for item in json.loads((recording() / f"{name}.zone.json").read_text())["items"]]


def dataplane(service: str, name: str = "dp", port: int = 80, created: int = 1, section: str = "") -> Resource:
    tags = {"kuma.io/service": service, "kuma.io/protocol": "http"}
    spec = {"networking": {"address": "10.0.0.1", "inbound": [{"port": port, "tags": tags, "name": section}]}}
    return Resource("Dataplane", "default", name, spec, created=created)


def test_services_are_generated_and_judged_as_recorded() -> None:
    folder = recording()
    recorded = {service.name: service for service in listed("meshservices")}
    seen = 0
    for file in sorted(folder.glob("*.dataplane.json")):
        proxy = stored(json.loads(file.read_text()))
        insight = stored(json.loads(file.with_suffix("").with_suffix(".dataplaneinsight.json").read_text()))
        for inbound in proxy.spec["networking"].get("inbound", []):
            name = inbound["tags"]["kuma.io/service"]
            made = EAST.generate("default", name, None, [proxy], now=1)
            assert made is not None
            checked = with_health(made, [read_proxy(proxy, insight)], mtls=True)
            expected = recorded[name]
            assert (checked.labels, checked.spec) == (expected.labels, expected.spec)
            for part in ("tls", "dataplaneProxies"):
                assert (checked.status or {})[part] == (expected.status or {})[part]
            seen += 1
    assert seen == 3


def test_hostnames_and_matches_are_as_recorded() -> None:
    generators = in_order(listed("hostnamegenerators"))
    for name in ("meshservices", "meshexternalservices", "meshmultizoneservices"):
        services = listed(name)
        bare = [s.with_status({k: v for k, v in (s.status or {}).items() if "ost" not in k}) for s in services]
        named = with_hostnames(bare, generators, "east")
        assert [s.status for s in named] == [s.status for s in services]
    for service in listed("meshmultizoneservices"):
        assert with_matches(service.with_status({}), listed("meshservices"), "east").status == {
            k: v for k, v in (service.status or {}).items() if k in ("meshServices", "conditions")
        }


def test_the_older_dataplane_is_right_about_a_port() -> None:
    proxies = [
        dataplane("web", "young", created=2, section="x"),
        dataplane("web", "old", created=1, section="main"),
        dataplane("web", "other", port=81, created=3),
    ]
    made = EAST.generate("default", "web", None, proxies, now=1)
    assert made is not None
    assert [(p["port"], p["name"]) for p in made.spec["ports"]] == [(80, "main"), (81, "81")]


def test_a_service_survives_its_last_dataplane_for_the_grace_period() -> None:
    made = EAST.generate("default", "web", None, [dataplane("web")], now=1)
    fading = EAST.generate("default", "web", made, [], now=5 * SECOND)
    assert fading is not None and EAST.expires(fading) == 3605 * SECOND
    assert EAST.generate("default", "web", fading, [], now=3604 * SECOND) == fading
    revived = EAST.generate("default", "web", fading, [dataplane("web")], now=6 * SECOND)
    assert revived is not None and made is not None and revived.labels == made.labels
    assert EAST.generate("default", "web", fading, [], now=3605 * SECOND) is None


@pytest.mark.parametrize("labels", [{}, {"kuma.io/managed-by": "meshservice-generator", "kuma.io/zone": "west"}])
def test_services_of_users_and_of_other_zones_are_left_alone(labels: dict[str, str]) -> None:
    foreign = Resource("MeshService", "default", "web", {"ports": []}, labels)
    assert EAST.generate("default", "web", foreign, [dataplane("web", port=99)], now=1) is foreign
    assert EAST.generate("default", "web", foreign, [], now=1) is foreign


def test_health_needs_every_port() -> None:
    service = EAST.generate("default", "web", None, [dataplane("web"), dataplane("web", "b", port=81)], now=1)
    assert service is not None
    checked = with_health(service, [read_proxy(dataplane("web"), None)], mtls=False)
    assert checked.spec["state"] == "Unavailable"
    assert checked.status == {"tls": {"status": "NotReady"}, "dataplaneProxies": {"total": 1}}


def test_tls_stays_ready_while_a_new_proxy_waits_for_its_certificate() -> None:
    service = Resource("MeshService", "default", "web", {"selector": {"dataplaneTags": {"kuma.io/service": "web"}}})
    service = service.with_status({"tls": {"status": "Ready"}})
    fresh = read_proxy(dataplane("web"), None)
    assert (with_health(service, [fresh], mtls=True).status or {})["tls"] == {"status": "Ready"}
    assert (with_health(service, [fresh], mtls=False).status or {})["tls"] == {"status": "NotReady"}


def test_names_collide_and_templates_fail_one_by_one() -> None:
    def generator(name: str, template: str, created: int) -> Resource:
        spec = {"selector": {"meshService": {"matchLabels": {}}}, "template": template}
        return Resource("HostnameGenerator", "", name, spec, created=created)

    services = [Resource("MeshService", "default", name, created=n) for n, name in enumerate(("a", "b"))]
    generators = [
        generator("same", "one.{{.Mesh}}", 1),
        generator("broken", "{{ nonsense }}.x", 2),
        generator("no-label", '{{ label "team" }}.x', 3),
    ]
    first, second = with_hostnames(services, in_order(generators), "east")
    assert [a["hostname"] for a in (first.status or {})["addresses"]] == ["one.default"]
    reasons = [o["conditions"][0]["reason"] for o in (second.status or {})["hostnameGenerators"]]
    assert reasons == ["Collision", "TemplateError", "TemplateError"]
    message = (second.status or {})["hostnameGenerators"][0]["conditions"][0]["message"]
    assert message == "Hostname collision with MeshService: a"


def test_addresses_stay_and_are_not_given_again_at_once() -> None:
    pool = AddressPool("241.0.0.0/30")
    services = [with_address(Resource("MeshService", "default", str(n)), pool) for n in range(3)]
    assert [address_of(s) for s in services] == ["241.0.0.0", "241.0.0.1", "241.0.0.2"]
    assert with_address(services[0], pool) is services[0]
    pool.track(services[1:])
    fresh = [with_address(Resource("MeshExternalService", "default", str(n)), pool) for n in range(2)]
    assert [address_of(s) for s in fresh] == ["241.0.0.3", "241.0.0.0"]
    with pytest.raises(ValueError, match="no virtual address left"):
        pool.take()


def test_a_port_is_well_when_any_inbound_of_a_selected_proxy_serves_it() -> None:
    tagged = {"port": 80, "tags": {"kuma.io/service": "backend", "app": "x"}}
    other = {"port": 81, "name": "raw", "tags": {"kuma.io/service": "backend-raw"}}
    proxy = Resource("Dataplane", "default", "dp", {"networking": {"address": "10.0.0.1", "inbound": [tagged, other]}})
    for target, state in ((81, "Available"), ("raw", "Available"), (82, "Unavailable")):
        spec = {"selector": {"dataplaneTags": {"app": "x"}}, "ports": [{"port": 8080, "targetPort": target}]}
        checked = with_health(Resource("MeshService", "default", "x", spec), [read_proxy(proxy, None)], mtls=False)
        assert checked.spec["state"] == state
        assert checked.spec["identities"] == [
            {"type": "ServiceTag", "value": "backend"},
            {"type": "ServiceTag", "value": "backend-raw"},
        ]
