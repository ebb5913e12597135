"""What a control plane creates when it starts, in each mode, and that it does so once."""

from __future__ import annotations

import pytest

from ursa.admission.initial_policies import initial_policies
from ursa.admission.startup import ensure_defaults
from ursa.catalog import default_registry
from ursa.model.forms import from_rest, to_rest
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.config.services import Defaults
from ursa.store.memory import MemoryStore

ALWAYS = {"inter-cp-ca", "user-token-signing-key-1", "admin-user-token"}
FEDERATED = {"MULTIZONE_ZONE_GLOBAL_ADDRESS": "grpcs://g:5685"}


async def started(**variables: str) -> tuple[MemoryStore, dict[str, set[str]]]:
    clock = SystemClock()
    store = MemoryStore(clock)
    settings = load(None, {f"KUMA_{k}": v for k, v in variables.items()}).settings
    await ensure_defaults(store, settings, clock)
    found: dict[str, set[str]] = {}
    before = await store.contents()
    for resource in before.resources:
        found.setdefault(resource.kind, set()).add(resource.name)
    await ensure_defaults(store, settings, clock)
    assert await store.revision() == before.revision, "a second start writes nothing"
    return store, found


@pytest.mark.parametrize(
    ("variables", "secrets", "generators", "meshes"),
    [
        ({}, {"envoy-admin-ca", "zone-token-signing-key-1"}, 2, {"default"}),
        ({"MODE": "global"}, {"zone-token-signing-key-1"}, 5, {"default"}),
        (FEDERATED, {"envoy-admin-ca"}, 2, set()),
    ],
)
async def test_each_mode_has_its_defaults(
    variables: dict[str, str], secrets: set[str], generators: int, meshes: set[str]
) -> None:
    _, found = await started(**variables)
    assert found["GlobalSecret"] == ALWAYS | secrets
    assert len(found["HostnameGenerator"]) == generators
    assert found.get("Mesh", set()) == meshes
    assert found.get("Zone", set()) == (set() if "MODE" in variables else {"default"})
    assert found.get("Config", set()) == (set() if variables == FEDERATED else {"kuma-cluster-id"})


@pytest.mark.parametrize("mode", ["zone", "global"])
async def test_what_is_created_keeps_the_rules_for_users(mode: str) -> None:
    store, _ = await started(MODE=mode, DEFAULTS_CREATE_MESH_ROUTING_RESOURCES="true")
    registry = default_registry()
    for resource in (await store.contents()).resources:
        kind = registry[resource.kind]
        if kind.path:
            assert from_rest(to_rest(resource, registry), registry).spec == resource.spec
            assert list(kind.validate(resource)) == []


async def test_switches() -> None:
    _, found = await started(DEFAULTS_SKIP_TENANT_RESOURCES="true")
    assert found == {"GlobalSecret": {"inter-cp-ca"}}
    _, found = await started(DEFAULTS_SKIP_MESH_CREATION="true", DEFAULTS_SKIP_HOSTNAME_GENERATORS="true")
    assert "Mesh" not in found
    assert "HostnameGenerator" not in found
    _, found = await started(DEFAULTS_CREATE_MESH_ROUTING_RESOURCES="true")
    assert found["TrafficRoute"] == {"route-all-default"}


LEGACY = {
    "TrafficPermission": "allow-all-default",
    "TrafficRoute": "route-all-default",
    "Timeout": "timeout-all-default",
    "CircuitBreaker": "circuit-breaker-all-default",
    "Retry": "retry-all-default",
}


async def test_the_older_generation_of_policies_comes_alone_and_is_valid() -> None:
    store, found = await started(DEFAULTS_GENERATION="legacy")
    assert {kind: names for kind, names in found.items() if kind in LEGACY} == {k: {n} for k, n in LEGACY.items()}
    assert not any(kind.startswith("Mesh") for kind in found if kind != "Mesh")
    registry = default_registry()
    for resource in (await store.contents()).resources:
        kind = registry[resource.kind]
        assert not kind.validate(resource), resource
        assert kind.codec.normalise(resource.spec) == resource.spec, "stored as it would be written by a user"


def test_a_mesh_may_skip_policies_of_either_generation() -> None:
    mesh = Resource("Mesh", "", "m", {"skipCreatingInitialPolicies": ["Retry", "MeshRetry"]})
    for generation, expected in (
        ("legacy", {"TrafficPermission", "TrafficRoute", "Timeout", "CircuitBreaker"}),
        ("targetRef", {"MeshTimeout", "MeshCircuitBreaker"}),
    ):
        defaults = Defaults.model_validate({"generation": generation})
        assert {policy.kind for policy in initial_policies(mesh, defaults)} == expected
    nothing = mesh.with_spec({"skipCreatingInitialPolicies": ["*"]})
    assert not list(initial_policies(nothing, Defaults.model_validate({"generation": "legacy"})))


async def test_a_zone_that_was_renamed_forgets_its_old_name() -> None:
    store, _ = await started()
    settings = load(None, {"KUMA_MULTIZONE_ZONE_NAME": "east"}).settings
    await ensure_defaults(store, settings, SystemClock())
    assert [zone.name for zone in (await store.list("Zone")).items] == ["east"]
