"""Policies on real services do to two sidecars what Kuma's own tests expect of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.golden.xds.harness import FEATURES, SHORT, Zone, decoded, exclusive_mesh, recorder, zone
from ursa.planner.inputs import ProxyFacts, Redirection
from ursa.planner.names import OLD
from ursa.testing import shared_folder

MESH = "envoyconfig"
POLICIES = (
    "meshaccesslog",
    "meshcircuitbreaker",
    "meshfaultinjection",
    "meshloadbalancingstrategy",
    "meshmetric",
    "meshratelimit",
    "meshretry",
    "meshtimeout",
    "meshtls",
    "meshtrafficpermission",
)
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|^::\d*$")
LONG_TYPES = {short: long for long, short in SHORT.items()}


def dataplane(name: str, port: int, workload: int, **tags: str) -> dict[str, Any]:
    tags = {"kuma.io/service": name, **tags}
    inbound = {"port": port, "servicePort": workload, "tags": tags}
    networking = {
        "address": "172.18.0.2" if name == "demo-client" else "172.18.0.3",
        "inbound": [inbound],
        "transparentProxying": {"redirectPortInbound": 15006, "redirectPortOutbound": 15001},
    }
    return {"type": "Dataplane", "mesh": MESH, "name": name, "networking": networking}


BASELINE = (
    exclusive_mesh(MESH),
    {
        "type": "MeshTrafficPermission",
        "mesh": MESH,
        "name": "allow-all",
        "spec": {"from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]},
    },
    dataplane("demo-client", 3000, 3000, team="client-owners"),
    dataplane(
        "test-server", 80, 8080, team="server-owners", version="v1", instance="1", **{"kuma.io/protocol": "http"}
    ),
)


@pytest.mark.parametrize("kind", POLICIES)
async def test_sidecars_get_what_is_expected(kind: str) -> None:
    shared = shared_folder()
    if shared is None:
        pytest.skip("recordings are not present")
    files = sorted((shared / "conformance/envoyconfig/sidecars" / kind).glob("*.input.yaml"))
    assert files
    assert sorted(folder.name for folder in (shared / "conformance/envoyconfig/sidecars").iterdir()) == list(POLICIES)
    async with zone(BASELINE, {"KUMA_MULTIZONE_ZONE_NAME": "kuma-3"}) as found:
        for file in files:
            policies = [document for document in yaml.safe_load_all(file.read_text()) if document]
            for policy in policies:
                await found.put(policy)
            for name in ("demo-client", "test-server"):
                golden = file.with_name(file.name.replace("input.yaml", f"{name}.golden.json"))
                same(json.loads(golden.read_text())["xds"], await configuration(found, name))
            for policy in policies:
                await found.delete(policy)


TRANSPARENT = Redirection(15006, 15001, False, True)


async def configuration(
    of: Zone, name: str, mesh: str = MESH, *, redirection: Redirection | None = TRANSPARENT
) -> dict[str, Any]:
    """What a proxy gets, policies with the shadow effect included."""
    resource = of.live.current.get("Dataplane", mesh, name)
    assert resource is not None
    facts = ProxyFacts(name, FEATURES, workdir="/tmp", redirection=redirection, ipv6=False)
    got = decoded(await of.reconciler.preview(resource, facts, shadow=True))
    # Kuma's tests leave out by which the launcher asks what to do; recordings of single policies have it.
    got["lds"].pop(OLD.dynamic_config, None)
    return {LONG_TYPES[short]: found for short, found in got.items()}


def same(expected: Any, got: Any) -> None:
    normalise = recorder("normalise")
    one, other = (normalise.normalise({SHORT[t]: found for t, found in redacted(of).items()}) for of in (expected, got))
    assert one == other, normalise.differences(one, other)


def redacted(value: Any, key: str = "") -> Any:
    """A configuration without addresses and names for statistics, as the expected ones are."""
    if isinstance(value, dict):
        return {redacted(k): redacted(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [redacted(one) for one in value]
    if key == "statPrefix":
        return "STAT_PREFIX_REDACTED"
    return ADDRESS.sub("IP_REDACTED", value) if isinstance(value, str) else value
