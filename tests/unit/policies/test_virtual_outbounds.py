"""Names that VirtualOutbounds give to instances by their tags, and what becomes of them in the table of addresses."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.model.resource import Resource
from ursa.policies.legacy.virtual_outbound import VirtualHost, virtual_hosts
from ursa.topology.vips import allocate, entries, table_vips

CIDR = "240.0.0.0/4"
SERVICE = {"name": "svc", "tagKey": "kuma.io/service"}


def virtual(host: str, port: str = "90", *, name: str = "vo", created: int = 1, **more: Any) -> Resource:
    parameters = [SERVICE, *({"name": one} for one in ("version", "port"))]
    spec = {
        "selectors": [{"match": more.pop("match", {"kuma.io/service": "*"})}],
        "conf": {"host": host, "port": port, "parameters": parameters, **more},
    }
    return Resource("VirtualOutbound", "default", name, spec, created=created)


def instance(service: str = "web", **tags: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"kuma.io/service": service, **tags}.items()))


def named(*policies: Resource, of: Any = None) -> list[tuple[str, int]]:
    return [(one.host, one.port) for one in virtual_hosts(policies, of or [instance(version="v1")])]


def test_a_name_leads_to_the_instances_with_the_tags_it_is_made_of() -> None:
    found = list(virtual_hosts([virtual("{{.version}}.{{.svc}}.mesh")], [instance(version="v1", team="a", zone="z")]))
    assert found == [VirtualHost("v1.web.mesh", 90, {"kuma.io/service": "web", "version": "v1"}, "vo")]


def test_equal_instances_share_a_name_and_others_have_their_own() -> None:
    of = [instance(version=v, team=t) for v in ("v1", "v2") for t in ("a", "b")]
    assert named(virtual("{{.version}}.{{.svc}}.mesh"), of=of) == [("v1.web.mesh", 90), ("v2.web.mesh", 90)]


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("{{.version}}-{{.svc}}_!.mesh", "90"),
        ("{{.svc}}.mesh", "{{.port}}"),
        ("{{.svc}}.mesh", "0"),
        ("{{.svc}}.mesh", "65536"),
        ("{{.svc}}.mesh", "{{.version}}"),
        ("{{.svc", "90"),
    ],
)
def test_what_is_no_name_or_no_port_is_left_out(host: str, port: str) -> None:
    assert named(virtual(host, port)) == []
    assert named(virtual(host, port), virtual("{{.svc}}.good", name="good")) == [("web.good", 90)]


def test_a_port_may_be_computed_and_a_tag_may_be_missing() -> None:
    of = [instance(port="8080"), instance("db")]
    assert named(virtual("{{.svc}}{{.version}}.mesh", "{{.port}}"), of=of) == [("web.mesh", 8080)]


def test_only_what_a_selector_matches_gets_a_name() -> None:
    policy = virtual("{{.svc}}.mesh", match={"kuma.io/service": "*", "version": "*"})
    assert named(policy, of=[instance("a", version="v1"), instance("b")]) == [("a.mesh", 90)]


def test_who_selects_best_has_a_name_first_then_the_youngest() -> None:
    both = [instance("a", version="v1"), instance("b", version="v1")]
    wide, narrow = virtual("one.mesh"), virtual("one.mesh", name="narrow", match={"kuma.io/service": "b"}, created=0)
    (found,) = virtual_hosts([wide, narrow], both)
    assert (found.policy, found.tags["kuma.io/service"]) == ("narrow", "b")
    old, young = virtual("one.mesh", name="old"), virtual("one.mesh", name="young", created=2)
    assert [one.policy for one in virtual_hosts([old, young], both)] == ["young"]


def test_a_name_has_one_address_for_all_its_ports_and_gives_it_back() -> None:
    policies = [virtual("{{.svc}}.one"), virtual("{{.svc}}.one", "91", name="other"), virtual("two", name="two")]
    wanted = entries(["web"], [], virtual_hosts(policies, [instance(version="v1")]))
    table = allocate(wanted, {}, CIDR)
    assert table["2:web.one"]["outbounds"][1] == {
        "Port": 91,
        "TagSet": {"kuma.io/service": "web", "version": "v1"},
        "Origin": "virtual-outbound:other",
    }
    vips = {(vip.hostnames, vip.port): vip for vip in table_vips(table, "mesh", 80)}
    assert vips.keys() == {
        *(((name,), port) for name, port in (("web.mesh", 80), ("web.one", 90), ("web.one", 91), ("two", 90)))
    }
    one = vips[("web.one",), 90]
    assert one.tags == (("kuma.io/service", "web"), ("version", "v1"))
    assert one.service == "web"
    assert one.address == vips[("web.one",), 91].address != vips[("two",), 90].address
    assert set(allocate(entries(["web"], []), table, CIDR)) == {"0:web"}
