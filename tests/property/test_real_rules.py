"""The conf for one port, found by names, is what the list of all rules says of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ursa.catalog import default_registry
from ursa.model.real_service import parse_real_service
from ursa.model.resource import Resource
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.real_rules import compile_real
from ursa.policies.core.resource_rules import lookup, resource_rules

KIND = default_registry()["MeshTimeout"]
MESH = Resource("Mesh", "", "default")
PLACE = {"kuma.io/zone": "east", "k8s.kuma.io/namespace": "shop"}


def service(kind: str, name: str, **labels: str) -> Resource:
    ports = [{"port": 80, "name": "main"}, {"port": 81}]
    return Resource(
        kind, "default", f"{name}-stored", {"ports": ports}, {"kuma.io/display-name": name, **PLACE, **labels}
    )


SERVICES = (
    service("MeshService", "web", team="a"),
    service("MeshService", "we_b"),
    service("MeshService", "db", team="a"),
    service("MeshMultiZoneService", "web", team="b"),
)

targets = st.sampled_from(
    [
        {"kind": "Mesh"},
        {"kind": "MeshService", "name": "web"},
        {"kind": "MeshService", "name": "web", "sectionName": "main"},
        {"kind": "MeshService", "name": "web", "sectionName": "81"},
        {"kind": "MeshService", "name": "web", "sectionName": "80"},
        {"kind": "MeshService", "name": "we_b"},
        {"kind": "MeshService", "name": "db"},
        {"kind": "MeshService", "labels": {"team": "a"}},
        {"kind": "MeshService", "labels": {"team": "a"}, "sectionName": "main"},
        {"kind": "MeshService", "name": "web_shop_svc_81"},
        {"kind": "MeshMultiZoneService", "name": "web"},
        {"kind": "MeshMultiZoneService", "labels": {"team": "b"}},
    ]
)


@st.composite
def policies(draw: st.DrawFn) -> list[Policy]:
    found = []
    for place, items in enumerate(draw(st.lists(st.lists(targets, min_size=1, max_size=4), max_size=4))):
        top = draw(st.sampled_from([{"kind": "Mesh"}, {"kind": "Dataplane"}]))
        to = [
            {"targetRef": target, "default": {"http": {"requestTimeout": f"{place}{n}s"}, f"key{n}": place}}
            for n, target in enumerate(items)
        ]
        spec: dict[str, Any] = {"targetRef": top, "to": to}
        found.append(parse_policy(Resource("MeshTimeout", "default", f"policy-{place}", spec, PLACE), KIND))
    return found


@given(policies())
def test_one_port_is_what_the_list_says(given_policies: list[Policy]) -> None:
    listed, compiled = list(resource_rules(given_policies, SERVICES, MESH)), compile_real(given_policies)
    for resource in SERVICES:
        for section in ("main", "81", "80"):
            expected = lookup(listed, resource, section)
            found = compiled.lookup(parse_real_service(resource), section)
            assert (found and found.conf) == (expected and expected.conf)
            assert (found and found.origins) == (expected and expected.origins)
