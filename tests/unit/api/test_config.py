"""`_config`: what is computed, for whom, and what is never shown."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from tests.unit.api.conftest import ControlPlane, Start
from ursa.model.resource import Resource

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
PROXY = "/meshes/default/dataplanes/web-1"
METADATA = {
    "dataplane.admin.port": "9901",
    "dataplane.readinessReporter.port": "9902",
    "features": ["feature-reuse-port"],
}


async def add_proxy(plane: ControlPlane, metadata: dict[str, Any]) -> None:
    inbound = {"port": 8080, "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"}}
    networking = {"address": "192.168.0.1", "inbound": [inbound]}
    await plane.add(
        Resource("Dataplane", "default", "web-1", {"networking": networking}, labels={"kuma.io/zone": "default"}),
        Resource("DataplaneInsight", "default", "web-1", {"metadata": metadata}),
    )


async def test_it_is_what_the_envoy_that_connected_last_would_get(zone: ControlPlane) -> None:
    await add_proxy(zone, METADATA)
    status, body = await zone.get(f"{PROXY}/_config")
    assert status == 200 and "diff" not in body
    assert body["xds"][LISTENER].keys() == {"kuma:envoy:admin", "inbound:192.168.0.1:8080"}
    assert body["xds"][LISTENER]["inbound:192.168.0.1:8080"]["enableReusePort"] is True


async def test_keys_are_not_shown(zone: ControlPlane) -> None:
    backend = {"name": "ca-1", "type": "builtin"}
    await zone.put("/meshes/default", {"type": "Mesh", "name": "default", "mtls": {"backends": [backend]}})
    mtls = {"enabledBackend": "ca-1", "backends": [backend]}
    assert (await zone.put("/meshes/default", {"type": "Mesh", "name": "default", "mtls": mtls}))[0] == 200
    await add_proxy(zone, METADATA)
    _, body = await zone.get(f"{PROXY}/_config")
    assert "identity_cert:secret:default" in str(body)
    assert not any(type_url.endswith("Secret") for type_url in body["xds"])
    (certificate,) = certificates(body["xds"][LISTENER]["kuma:envoy:admin"])
    assert b"CERTIFICATE" in b64decode(certificate["certificateChain"]["inlineBytes"])
    assert b64decode(certificate["privateKey"]["inlineBytes"]) == b"[redacted]"


def certificates(document: Any) -> list[Any]:
    """All TLS certificates somewhere in a document."""
    if isinstance(document, dict):
        return [
            *document.get("tlsCertificates", ()),
            *(c for inside in document.values() for c in certificates(inside)),
        ]
    return [c for inside in document for c in certificates(inside)] if isinstance(document, list) else []


async def test_a_shadow_policy_shows_only_when_asked_for(zone: ControlPlane) -> None:
    await add_proxy(zone, {})
    conf = {"idleTimeout": "322s"}
    policy = {
        "type": "MeshTimeout",
        "mesh": "default",
        "name": "tried",
        "labels": {"kuma.io/effect": "shadow"},
        "spec": {"targetRef": {"kind": "Dataplane"}, "rules": [{"default": conf}]},
    }
    assert (await zone.put("/meshes/default/meshtimeouts/tried", policy))[0] == 201
    _, now = await zone.get(f"{PROXY}/_config?include=diff")
    assert now["diff"] == [] and "322s" not in str(now)
    _, then = await zone.get(f"{PROXY}/_config?shadow=true&include=diff")
    assert [o["op"] for o in then["diff"] if o.get("value") == "322s"] == ["add"]
    assert "322s" in str(then["xds"])


async def test_rules_say_which_item_decided_a_value(zone: ControlPlane) -> None:
    await add_proxy(zone, {})
    spec = {
        "targetRef": {"kind": "Dataplane"},
        "to": [{"targetRef": {"kind": "Mesh"}, "default": {"idleTimeout": "7s"}}],
    }
    policy = {"type": "MeshTimeout", "mesh": "default", "name": "mine", "spec": spec}
    assert (await zone.put("/meshes/default/meshtimeouts/mine", policy))[0] == 201
    _, plain = await zone.get(f"{PROXY}/_rules")
    assert "sources" not in str(plain)
    _, told = await zone.get(f"{PROXY}/_rules?include=sources")
    (timeouts,) = [rule for rule in told["rules"] if rule["type"] == "MeshTimeout"]
    (rule,) = timeouts["toRules"]
    assert rule["conf"]["idleTimeout"] == "7s"
    assert rule["sources"]["/idleTimeout"] == [{"kri": "kri_mt_default_default__mine_", "ruleIndex": 0}]
    assert rule["sources"]["/http/requestTimeout"] == [
        {"kri": "kri_mt_default___mesh-timeout-all-default_", "ruleIndex": 0}
    ]
    assert timeouts["toResourceRules"][0]["sources"] == [rule["sources"]]


async def test_a_proxy_that_never_connected_has_none(zone: ControlPlane) -> None:
    await zone.add(Resource("Dataplane", "default", "web-1", {"networking": {"address": "192.168.0.1"}}))
    status, body = await zone.get(f"{PROXY}/_config")
    assert (status, body["title"]) == (404, "Failed to fetch dataplane insight")


async def test_a_global_computes_none(start: Start) -> None:
    plane = await start(MODE="global")
    status, body = await plane.get(f"{PROXY}/_config")
    assert (status, body["title"], body["detail"]) == (405, "Method not allowed", "Not allowed on global CP")
