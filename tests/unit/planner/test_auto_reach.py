"""Where permissions decide which services a proxy needs, it has outbounds to no others."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.unit.planner.test_zone_proxies import MTLS, Zone, external, mesh, outside, permission
from ursa.model.resource import Resource
from ursa.planner.inputs import ProxyFacts, Redirection, Settings
from ursa.topology.vips import allocate, config_name, entries, serialise_table

FACTS = ProxyFacts("caller", redirection=Redirection(15006, 15001, dns=True, ipv6=False))
CALLER = {"kuma.io/service": "caller", "team": "a"}


class Mesh(Zone):
    """A zone of three services at virtual addresses, whose proxies list nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        table = allocate(entries(["api", "db", "caller"], [], ()), {}, "240.0.0.0/4")
        self.put(Resource("Config", "", config_name("default"), {"config": serialise_table(table)}))
        for service in ("api", "db"):
            spec = {"ports": [{"port": 80}], "identities": [{"type": "ServiceTag", "value": service}]}
            status = {"vips": [{"ip": f"241.0.0.{len(service)}"}]}
            labels = {"kuma.io/display-name": service, "kuma.io/zone": "east"}
            self.put(Resource("MeshService", "default", service, spec, labels, status))

    def reached(self, tags: dict[str, str] | None = None, **transparent: Any) -> tuple[set[str], set[str]]:
        """Tag services and real services to which a caller has outbounds."""
        inbound = [{"port": 80, "tags": tags or CALLER}]
        networking = {"address": "10.0.5.1", "inbound": inbound, "transparentProxying": transparent}
        dataplane = Resource("Dataplane", "default", "caller", {"networking": networking})
        self.put(dataplane)
        found = self.planner.sidecar_inputs(dataplane, FACTS)
        assert found is not None
        return {one.service for one in found[1].outbounds}, {one.service.name for one in found[1].real}


@pytest.fixture
def zone() -> Mesh:
    return Mesh(settings=Settings(auto_reachable=True))


def allow(target: Any, client: Any, action: str = "Allow", *, name: str = "p") -> Resource:
    items = [{"targetRef": client, "default": {"action": action}}]
    return Resource("MeshTrafficPermission", "default", name, {"targetRef": target, "from": items})


def subset(**tags: str) -> dict[str, Any]:
    return {"kind": "MeshSubset", "tags": {f"kuma.io/{k}" if k == "service" else k: v for k, v in tags.items()}}


ALL = {"kind": "Mesh"}


def test_only_who_may_enter_has_a_way(zone: Mesh) -> None:
    assert zone.reached() == (set(), set()), "nobody is let in anywhere"
    zone.put(allow(subset(service="api"), subset(service="caller")))
    assert zone.reached() == ({"api"}, {"api"})
    assert zone.reached({"kuma.io/service": "other"}) == (set(), set())
    zone.delete("MeshTrafficPermission", "p")
    assert zone.reached() == (set(), set())


def test_the_last_word_about_a_client_counts(zone: Mesh) -> None:
    zone.put(allow(ALL, ALL), allow(subset(service="db"), subset(team="a"), "Deny", name="no"))
    assert zone.reached() == ({"api", "caller"}, {"api"})
    assert zone.reached({"kuma.io/service": "other"})[0] == {"api", "db", "caller"}


def test_what_a_policy_might_do_counts_where_tags_do_not_tell(zone: Mesh) -> None:
    zone.put(allow(subset(version="v1"), ALL), allow(subset(version="v2"), ALL, "Deny", name="z"))
    assert zone.reached()[0] == {"api", "db", "caller"}
    zone.delete("MeshTrafficPermission", "p")
    zone.put(allow({"kind": "Dataplane", "labels": {"app": "x"}}, subset(service="caller")))
    assert zone.reached()[1] == {"api", "db"}


@pytest.mark.parametrize(
    ("match", "reached"),
    [
        ({"type": "Exact", "value": "spiffe://default/caller"}, True),
        ({"type": "Prefix", "value": "spiffe://default/cal"}, True),
        ({"type": "Exact", "value": "spiffe://default/other"}, False),
        ({"type": "Exact", "value": "spiffe://elsewhere/other"}, True),
    ],
)
def test_identities(zone: Mesh, match: Any, reached: bool) -> None:
    rules = [{"default": {"allow": [{"spiffeID": match}]}}]
    zone.put(Resource("MeshTrafficPermission", "default", "p", {"targetRef": ALL, "rules": rules}))
    assert ("api" in zone.reached()[0]) is reached


def test_older_permissions_count_where_no_newer_one_does(zone: Mesh) -> None:
    sources = [{"match": {"kuma.io/service": "caller"}}]
    destinations = [{"match": {"kuma.io/service": "db"}}]
    zone.put(Resource("TrafficPermission", "default", "old", {"sources": sources, "destinations": destinations}))
    assert zone.reached() == ({"db"}, {"db"})
    zone.put(allow(ALL, subset(service="nobody")))
    assert zone.reached() == (set(), set())


def test_a_proxy_that_says_what_it_needs_is_believed(zone: Mesh) -> None:
    assert zone.reached(reachableServices=["db"]) == ({"db"}, set())
    ref = {"kind": "MeshService", "name": "api"}
    assert zone.reached(reachableBackends={"refs": [ref]}) == ({"api", "db", "caller"}, {"api"})


@pytest.mark.parametrize("backend", [None, {"name": "ca", "type": "builtin", "mode": "PERMISSIVE"}])
def test_permissions_that_nobody_enforces_keep_nothing_away(zone: Mesh, backend: Any) -> None:
    mtls = {"mtls": {**MTLS, "backends": [backend]}} if backend else {}
    zone.put(Resource("Mesh", "", "default", mtls))
    assert zone.reached() == ({"api", "db", "caller"}, {"api", "db"})


def test_what_is_outside_is_up_to_its_own_permissions(zone: Mesh) -> None:
    table = orjson.loads(zone.view.get("Config", "", config_name("default")).spec["config"])  # type: ignore[union-attr]
    with_outside = allocate(entries(["api", "db", "caller"], [external()]), table, "240.0.0.0/4")
    config = Resource("Config", "", config_name("default"), {"config": serialise_table(with_outside)})
    zone.put(config, mesh("default"), external(), outside("mes"), permission("TrafficPermission", "p", "out"))
    zone.put(allow(ALL, subset(service="nobody")))
    assert zone.reached({"kuma.io/service": "web"})[0] == {"out"}
    assert zone.reached()[0] == set()


def test_it_is_off_unless_the_zone_says_so() -> None:
    assert Mesh(settings=Settings()).reached() == ({"api", "db", "caller"}, {"api", "db"})
