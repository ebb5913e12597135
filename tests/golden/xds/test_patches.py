"""What users change by hand in configurations, from their policies to what proxies get."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.golden.xds.harness import Zone, decoded, facts, zone
from ursa.envoy import types
from ursa.model.resource import ResourceKey
from zone_cp.reconciler.proxy import Proxy

FEW = {"KUMA_MULTIZONE_ZONE_NAME": "zone-1"}
MESH = {"type": "Mesh", "name": "default", "skipCreatingInitialPolicies": ["*"]}


def dataplane(name: str, address: str, **networking: Any) -> dict[str, Any]:
    inbound = {"port": 8080, "tags": {"kuma.io/service": name.partition("-")[0], "kuma.io/protocol": "http"}}
    return {
        "type": "Dataplane",
        "mesh": "default",
        "name": name,
        "networking": {"address": address, "inbound": [inbound], **networking},
    }


def to_backend() -> dict[str, Any]:
    return {"outbound": [{"port": 10001, "tags": {"kuma.io/service": "backend"}}]}


DOCUMENTS = (
    MESH,
    dataplane("backend-1", "10.0.0.1"),
    dataplane("web-1", "10.0.0.2", **to_backend()),
    dataplane("web-2", "10.0.0.3", **to_backend()),
)


def proxy_patch(name: str, *modifications: dict[str, Any], target: dict[str, str] | None = None) -> dict[str, Any]:
    spec = {"targetRef": target or {"kind": "Mesh"}, "default": {"appendModifications": list(modifications)}}
    return {"type": "MeshProxyPatch", "mesh": "default", "name": name, "spec": spec}


def timeout(seconds: int, name: str = "backend") -> dict[str, Any]:
    return {"cluster": {"operation": "Patch", "match": {"name": name}, "value": f"connectTimeout: {seconds}s"}}


def connect(found: Zone, name: str) -> Proxy:
    described = facts(name, {"proxy": f"default/{name}"})
    return found.reconciler.attach(ResourceKey("Dataplane", "default", name), described)


def got(proxy: Proxy, short: str) -> dict[str, Any]:
    return {} if proxy.snapshot is None else decoded(proxy.snapshot).get(short, {})


async def settle(found: Zone) -> None:
    """Lets the plan catch up with the newest view; steps keep a pace."""
    await asyncio.sleep(0.15)
    await found.reconciler.caught_up()


async def test_sharing_proxies_are_patched_once_and_what_is_removed_takes_its_endpoints_along() -> None:
    async with zone(DOCUMENTS, FEW) as found:
        proxies = [connect(found, name) for name in ("web-1", "web-2")]
        assert "backend" in got(proxies[0], "eds")
        await found.put(proxy_patch("slow", timeout(7), {"cluster": {"operation": "Add", "value": "name: more"}}))
        await settle(found)
        assert [got(proxy, "cds")["backend"]["connectTimeout"] for proxy in proxies] == ["7s", "7s"]
        assert proxies[0].patched[0] is proxies[1].patched[0]
        assert "more" in got(proxies[0], "cds")
        await found.put(proxy_patch("slow", {"cluster": {"operation": "Remove", "match": {"name": "backend"}}}))
        await settle(found)
        assert not {"backend", "more"} & got(proxies[0], "cds").keys()
        assert "backend" not in got(proxies[0], "eds")
        await found.delete(proxy_patch("slow", timeout(7)))
        await settle(found)
        assert got(proxies[0], "cds")["backend"]["connectTimeout"] != "7s"
        assert "backend" in got(proxies[0], "eds")


async def test_proxy_keeps_what_it_has_and_says_which_policy_is_wrong() -> None:
    nowhere = {"op": "replace", "path": "/nope", "value": 1}
    wrong = {"cluster": {"operation": "Patch", "match": {"name": "backend"}, "jsonPatches": [nowhere]}}
    async with zone(DOCUMENTS, FEW) as found:
        web, backend = connect(found, "web-1"), connect(found, "backend-1")
        await found.put(proxy_patch("x-good", timeout(7)))
        await settle(found)
        await found.put(proxy_patch("wrong", timeout(9), wrong))
        await found.put(dataplane("backend-2", "10.0.0.9"))
        await settle(found)
        assert web.error == (
            'MeshProxyPatch "wrong": spec.default.appendModifications[1].cluster: path "/nope" does not exist'
        )
        assert got(web, "cds")["backend"]["connectTimeout"] == "7s"
        # What is wrong concerns the plan of this proxy, neither its endpoints nor other proxies.
        assert "10.0.0.9" in str(got(web, "eds")["backend"])
        assert not backend.error
        await found.put(proxy_patch("wrong", timeout(9)))
        await settle(found)
        assert not web.error
        assert got(web, "cds")["backend"]["connectTimeout"] == "9s"


async def test_what_comes_out_has_to_follow_the_rules_of_envoy() -> None:
    ports = {
        "listener": {"operation": "Patch", "value": "filterChains: [{filterChainMatch: {destinationPort: 70000}}]"}
    }
    async with zone(DOCUMENTS, FEW) as found:
        web = connect(found, "web-1")
        before = got(web, "lds")
        await found.put(proxy_patch("bad", ports, target={"kind": "Dataplane", "name": "web-1"}))
        await settle(found)
        assert web.error.startswith('MeshProxyPatch "bad": "')
        assert "DestinationPort" in web.error
        assert got(web, "lds") == before


async def test_gateway_is_patched_in_its_routes_and_keeps_what_cannot_be_patched() -> None:
    listener = {"port": 8080, "protocol": "HTTP", "tags": {}}
    match = [{"path": {"match": "PREFIX", "value": "/"}}]
    backends = [{"weight": 1, "destination": {"kuma.io/service": "backend"}}]
    edge = [{"match": {"kuma.io/service": "edge"}}]
    documents = (
        {"type": "MeshGateway", "name": "edge", "selectors": edge, "conf": {"listeners": [listener]}},
        {
            "type": "MeshGatewayRoute",
            "name": "all",
            "selectors": edge,
            "conf": {"http": {"rules": [{"matches": match, "backends": backends}]}},
        },
        {
            "type": "Dataplane",
            "name": "edge-1",
            "networking": {
                "address": "10.0.0.5",
                "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}},
            },
        },
    )
    host = {"operation": "Patch", "match": {"origin": "gateway"}, "value": "includeRequestAttemptCount: true"}
    async with zone((*DOCUMENTS, *({"mesh": "default", **one} for one in documents)), FEW) as found:
        gateway = connect(found, "edge-1")
        assert gateway.snapshot is not None
        before = set(gateway.snapshot.layers)
        await found.put(proxy_patch("hosts", {"virtualHost": host}))
        await settle(found)
        (routes,) = got(gateway, "rds").values()
        assert [one["includeRequestAttemptCount"] for one in routes["virtualHosts"]] == [True]
        assert set(gateway.snapshot.layers) == before
        assert list(gateway.snapshot.entries(types.RUNTIME))


async def test_template_without_imports_leaves_nothing_else_and_has_the_last_word() -> None:
    raw = "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: raw\nconnectTimeout: 1s"
    endpoints = "'@type': type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment\nclusterName: raw"
    template = {
        "type": "ProxyTemplate",
        "mesh": "default",
        "name": "own",
        "selectors": [{"match": {"kuma.io/service": "web"}}],
        "conf": {
            "resources": [
                {"name": name, "version": "v1", "resource": text} for name, text in (("raw", raw), ("eds", endpoints))
            ],
            "modifications": [
                {"cluster": {"operation": "patch", "match": {"name": "raw"}, "value": "connectTimeout: 2s"}}
            ],
        },
    }
    async with zone((*DOCUMENTS, template, proxy_patch("all", timeout(9, "raw"))), FEW) as found:
        web, backend = connect(found, "web-1"), connect(found, "backend-1")
        assert got(web, "cds").keys() == got(web, "eds").keys() == {"raw"}
        assert got(web, "cds")["raw"]["connectTimeout"] == "2s"
        assert got(web, "lds") == {}
        assert got(backend, "lds")
