"""Policies on a builtin gateway do what Kuma's own tests expect of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.golden.xds.harness import exclusive_mesh, zone
from tests.golden.xds.test_sidecar_policies import configuration, same
from ursa.testing import shared_folder

MESH, GATEWAY = "envoyconfig-builtingateway", "gateway-proxy"


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "mesh": MESH, "name": name, **more}


ECHO = {
    "kuma.io/service": "echo-service",
    "kuma.io/protocol": "http",
    "team": "server-owners",
    "version": "v1",
    "instance": "1",
}
RULE = {
    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
    "default": {"backendRefs": [{"kind": "MeshService", "name": "echo-service", "port": 80, "weight": 1}]},
}
BASELINE = (
    exclusive_mesh(MESH),
    named("Dataplane", "echo", networking={"address": "172.18.0.3", "inbound": [{"port": 80, "tags": ECHO}]}),
    named(
        "Dataplane",
        GATEWAY,
        networking={"address": "172.18.0.2", "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": GATEWAY}}},
    ),
    named(
        "MeshGateway",
        GATEWAY,
        selectors=[{"match": {"kuma.io/service": GATEWAY}}],
        conf={"listeners": [{"port": 8080, "protocol": "HTTP", "hostname": "example.kuma.io"}]},
    ),
    named(
        "MeshHTTPRoute",
        "route",
        spec={
            "targetRef": {"kind": "MeshGateway", "name": GATEWAY},
            "to": [{"targetRef": {"kind": "Mesh"}, "rules": [RULE]}],
        },
    ),
)


@pytest.mark.parametrize("kind", ["meshaccesslog"])
async def test_a_gateway_gets_what_is_expected(kind: str) -> None:
    shared = shared_folder()
    if shared is None:
        pytest.skip("recordings are not present")
    files = sorted((shared / "conformance/envoyconfig/builtingateway" / kind).glob("*.input.yaml"))
    assert files
    async with zone(BASELINE, {"KUMA_MULTIZONE_ZONE_NAME": "kuma-3"}) as found:
        for file in files:
            policies = [document for document in yaml.safe_load_all(file.read_text()) if document]
            for policy in policies:
                await found.put(policy)
            golden = file.with_name(file.name.replace("input.yaml", f"{GATEWAY}.golden.json"))
            got = await configuration(found, GATEWAY, MESH, redirection=None)
            same(json.loads(golden.read_text())["xds"], got)
            for policy in policies:
                await found.delete(policy)
