"""Which resources travel, under which name, with which labels (`spec/kds.md` §4 and §5)."""

from __future__ import annotations

import base64

import pytest

from kds.downward import Downward
from kds.drains import Drain, drains_config
from kds.envelope import decode_envelope
from kds.offer import Catalogue, Offer, OneZone
from kds.upward import Upward
from kds.wire import decode_response
from ursa.catalog import default_registry
from ursa.identity.signing_keys import new_zone_signing_key
from ursa.model.kind import Sync
from ursa.model.labels import SHARE
from ursa.model.resource import Resource
from ursa.store.contract import Batch, Change
from ursa.view.view import View

REGISTRY = default_registry()
FROM_ZONE = {"kuma.io/origin": "zone", "kuma.io/zone": "zone-1"}
ALL = frozenset({"producer-policy-flow", "optional-top-level-target-ref", "hg-mz-selector", "hash-suffix"})


def seen(offer: Offer | None) -> Resource:
    """What the peer reads."""
    assert offer is not None
    (item,) = decode_response(offer.framed).items
    return decode_envelope(item, REGISTRY[offer.key.kind])


def down(resource: Resource) -> Offer | None:
    return Downward(REGISTRY).offer(resource)


def up(resource: Resource) -> Offer | None:
    return Upward(REGISTRY, "zone-1").offer(resource)


def test_directions_are_those_of_the_table() -> None:
    assert sum(1 for kind in REGISTRY if kind.sync & (Sync.DOWN | Sync.ACROSS)) == 43
    assert sum(1 for kind in REGISTRY if Sync.UP in kind.sync) == 29


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (Resource("MeshTimeout", "default", "t1"), "t1-b5w686xx59cxw57z"),
        (Resource("MeshTimeout", "default", "mesh-timeout-all-default"), "mesh-timeout-all-default-bv8z44b7bzb99xc7"),
        (Resource("HostnameGenerator", "", "synced-kube-mesh-service"), "synced-kube-mesh-service-8xc5x6c9f588fzz9"),
        (Resource("Mesh", "", "default"), "default"),
        (Resource("Secret", "default", "s"), "s"),
    ],
)
def test_names_on_the_way_down(resource: Resource, name: str) -> None:
    mapped = seen(down(resource))
    assert mapped.name == name
    assert mapped.labels["kuma.io/origin"] == "global"
    assert mapped.labels.get("kuma.io/display-name") == (resource.name if name != resource.name else None)


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (Resource("MeshTimeout", "default", "zt1"), "zt1-w79w5z8xv59b67c4"),
        (Resource("Dataplane", "default", "dp-1"), "dp-1-dff6z597w47d46xx"),
        (Resource("MeshService", "demo", "web"), "web-66x89w8b526c45v4"),
        (Resource("ZoneIngress", "", "zi-1"), "zi-1-2d8w9vd5b9fd9xbv"),
        (
            Resource("MeshTimeout", "default", "prod1", labels={"k8s.kuma.io/namespace": "ns1"}),
            "prod1-v488c7244852xc58",
        ),
    ],
)
def test_names_on_the_way_up_and_across(resource: Resource, name: str) -> None:
    at_global = seen(up(resource))
    assert at_global.name == name
    assert {k: at_global.labels[k] for k in FROM_ZONE} == FROM_ZONE
    if resource.kind == "MeshService":
        relayed = seen(down(at_global))
        assert relayed.name == name
        assert relayed.labels["kuma.io/origin"] == "global"
        assert relayed.labels["kuma.io/zone"] == "zone-1"
        assert relayed.labels["kuma.io/display-name"] == resource.name


def test_long_names_fit() -> None:
    assert len(seen(down(Resource("MeshTimeout", "default", "l" * 250))).name) == 253


@pytest.mark.parametrize(
    "resource",
    [
        Resource("Config", "", "cp-catalog"),
        Resource("GlobalSecret", "", "envoy-admin-ca"),
        Resource("GlobalSecret", "", "user-token-signing-key-1"),
        Resource("Zone", "", "zone-1"),
        Resource("MeshInsight", "", "default"),
        Resource("Dataplane", "default", "d", labels=FROM_ZONE),
        Resource("MeshTimeout", "default", "t", labels={"kuma.io/kds-sync": "disabled"}),
        Resource("MeshTimeout", "default", "t", labels=FROM_ZONE),
    ],
)
def test_what_stays_at_the_global(resource: Resource) -> None:
    assert down(resource) is None


@pytest.mark.parametrize(
    "resource",
    [
        Resource("Secret", "default", "s"),
        Resource("MeshTimeout", "default", "t", labels={"kuma.io/origin": "global"}),
        Resource("MeshTimeout", "default", "t", labels={"kuma.io/kds-sync": "disabled"}),
        Resource("ZoneInsight", "", "zone-1"),
    ],
)
def test_what_stays_in_the_zone(resource: Resource) -> None:
    assert up(resource) is None


def test_zones_get_the_public_half_of_the_zone_token_key() -> None:
    mapped = seen(down(new_zone_signing_key()))
    assert mapped.name == "zone-token-signing-public-key-1"
    assert mapped.labels["kuma.io/display-name"] == "zone-token-signing-key-1"
    assert base64.b64decode(mapped.spec["data"]).startswith(b"-----BEGIN RSA PUBLIC KEY-----")


def test_status_goes_up_but_not_down() -> None:
    service = Resource("MeshService", "default", "web", {}, {}, {"vips": [{"ip": "241.0.0.1"}]})
    at_global = seen(up(service))
    assert at_global.status == service.status
    assert seen(down(at_global)).status == {"tls": {}, "dataplaneProxies": {}}


def test_relayed_services_do_not_look_generated() -> None:
    service = Resource("MeshService", "default", "w", labels=FROM_ZONE | {"kuma.io/managed-by": "x", "team": "a"})
    labels = seen(down(service)).labels
    assert "kuma.io/managed-by" not in labels
    assert labels["team"] == "a"


def test_generations_stay_in_the_zone() -> None:
    insight = Resource("DataplaneInsight", "default", "d", {"subscriptions": [{"id": "1", "generation": 4}]})
    assert seen(up(insight)).spec == {"subscriptions": [{"id": "1"}]}


def producer(**changes: object) -> Resource:
    labels = FROM_ZONE | {"kuma.io/policy-role": "producer", "k8s.kuma.io/namespace": "ns1"}
    spec = {"to": [{"targetRef": {"kind": "MeshService", "name": "web"}, "default": {}}], **changes}
    return Resource("MeshTimeout", "default", "p", spec, labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"from": [{}]},
        {"to": []},
        {"to": [{"targetRef": {"kind": "Mesh"}}]},
        {"to": [{"targetRef": {"kind": "MeshService", "name": "web", "namespace": "other"}}]},
        {"to": [{"targetRef": {"kind": "MeshService"}}]},
    ],
)
def test_only_true_producer_policies_are_relayed(changes: dict[str, object]) -> None:
    assert down(producer()) is not None
    assert down(producer(**changes)) is None


def test_the_audience_decides_zone_by_zone() -> None:
    everyone, relayed = down(Resource("Mesh", "", "m")), down(producer())
    narrow = down(producer(targetRef={"kind": "MeshSubset", "tags": {"kuma.io/zone": "zone-3"}}))
    assert everyone is not None and relayed is not None and narrow is not None
    catalogue = Catalogue()
    own, other, third, old = (
        OneZone("zone-1", ALL),
        OneZone("zone-2", ALL),
        OneZone("zone-3", ALL),
        OneZone("zone-2", frozenset()),
    )
    assert [z.admits(everyone, catalogue) for z in (own, other, old)] == [True, True, True]
    assert [z.admits(relayed, catalogue) for z in (own, other, old)] == [False, True, False]
    assert [z.admits(narrow, catalogue) for z in (own, other, third)] == [False, False, True]
    assert not other.admits(relayed, Catalogue(withheld=frozenset({"zone-1"})))


def test_operators_can_keep_labels_at_home() -> None:
    resource = Resource("MeshTimeout", "default", "t", labels={"team/a": "1", "b": "2"})
    labels = seen(Downward(REGISTRY, ["team"]).offer(resource)).labels
    assert "team/a" not in labels and labels["b"] == "2"


def test_an_ingress_of_a_drained_zone_says_its_share_or_has_fewer_instances() -> None:
    services = [{"mesh": "default", "instances": n, "tags": {"kuma.io/service": f"s{n}"}} for n in (1, 3, 10)]
    gate = Resource("ZoneIngress", "", "gate", {"zone": "zone-1", "availableServices": services}, FROM_ZONE)
    rules = Downward(REGISTRY)
    assert not list(rules.observe(_view(gate)))

    def offered(share: int) -> tuple[str | None, list[int], list[int]]:
        drain = Drain(share, 100, 0, 1, 2)
        assert list(rules.observe(_view(gate, drains_config({"zone-1": drain})))) == [gate.key]
        assert not list(rules.observe(_view(gate, drains_config({"zone-1": drain, "zone-2": drain}))))
        offer = rules.offer(gate)
        assert offer is not None and offer.otherwise is not None
        able, unable = OneZone("zone-2", frozenset({"ursa.zone-shares"})), OneZone("zone-2", frozenset())
        assert able.admits(offer, Catalogue()) and not unable.admits(offer, Catalogue())
        assert unable.admits(offer.otherwise, Catalogue())
        assert not OneZone("zone-1", frozenset()).admits(offer.otherwise, Catalogue())
        one, other = seen(offer), seen(offer.otherwise)
        assert (one.key, SHARE in other.labels) == (other.key, False)
        return one.labels.get(SHARE), _instances(one), _instances(other)

    assert offered(60) == ("60", [1, 3, 10], [1, 2, 6])
    assert offered(5) == ("5", [1, 3, 10], [1, 1, 1])
    assert offered(0) == ("0", [1, 3, 10], [])
    assert list(rules.observe(_view(gate, drains_config({})))) == [gate.key]
    back = rules.offer(gate)
    assert back is not None and back.otherwise is None and SHARE not in seen(back).labels


def _instances(ingress: Resource) -> list[int]:
    return [service["instances"] for service in ingress.spec.get("availableServices", ())]


def _view(*resources: Resource) -> View:
    return View().apply(Batch(1, tuple(Change(resource.key, resource) for resource in resources)))[0]
