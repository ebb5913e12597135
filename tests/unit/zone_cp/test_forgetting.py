"""What was deleted leaves nothing behind: keys, certificates and parsed forms go with what they were made for."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.unit.zone_cp.test_work import REGISTRY, Zone, instance, running
from ursa.identity.ca import builtin_cert_secret, builtin_key_secret, create_mesh_ca
from ursa.identity.certificates import Leaf
from ursa.identity.envoy_admin import new_admin_ca
from ursa.identity.signing_keys import secret
from ursa.model.forms import from_rest
from ursa.model.mesh import Mesh
from ursa.model.resource import Resource
from ursa.planner.inputs import ProxyFacts, Settings
from ursa.planner.meshes import MeshIndex
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import Subject
from ursa.store.contract import Batch, Change, Delete
from ursa.view.view import View
from zone_cp.reconciler.authorities import Identity, MeshAuthority
from zone_cp.reconciler.proxy import Proxy

KEPT = (Identity, Leaf, MeshAuthority, Subject)

_OLDER: dict[int, object] = {}
"""Objects that other tests of this process left behind; held here, so that no new one gets the place of an old one."""


@pytest.fixture(autouse=True)
def older() -> Iterator[None]:
    _OLDER.update((id(one), one) for one in alive(*KEPT, Policy, Mesh))
    yield
    _OLDER.clear()


def mesh(name: str) -> list[Resource]:
    """A mesh with mutual TLS, and the Secrets of its authority."""
    authority = create_mesh_ca(name, 0)
    backend = {"name": "ca-1", "type": "builtin"}
    document = {"type": "Mesh", "name": name, "mtls": {"enabledBackend": "ca-1", "backends": [backend]}}
    return [
        from_rest(document, REGISTRY),
        secret("Secret", name, builtin_cert_secret(name, "ca-1"), authority.bundle_pem),
        secret("Secret", name, builtin_key_secret(name, "ca-1"), authority.key_pem),
    ]


def policy(mesh_name: str, name: str) -> Resource:
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "9s"}}}]
    return from_rest({"type": "MeshTimeout", "mesh": mesh_name, "name": name, "spec": {"to": to}}, REGISTRY)


async def live_and_die(zone: Zone, name: str) -> Counter[str]:
    """A mesh with proxies comes and goes; returns how many objects made for it there were meanwhile."""
    made = [*mesh(name), policy(name, "slow")]
    for number in range(3):
        dataplane = instance(f"dp-{number}", f"10.1.{number}.1", 0)
        made.append(Resource(dataplane.kind, name, f"{name}-{number}", dataplane.spec))
    stored = [await zone.put(resource) for resource in made]
    dataplanes = [one for one in stored if one.kind == "Dataplane"]
    proxies = [zone.reconciler.attach(one.key, ProxyFacts(one.name)) for one in dataplanes]
    await certified(*proxies)
    found = objects()
    for proxy in proxies:
        zone.reconciler.detach(proxy)
    for one in reversed(stored):
        revision, _ = await zone.store.write([Delete(one.key)])
        await zone.live.wait_for(revision)
    async with asyncio.timeout(20):
        while (left := objects())["MeshAuthority"] or left["Identity"]:  # noqa: ASYNC110 - nothing tells of what is gone
            await asyncio.sleep(0.05)
    return found


async def certified(*proxies: Proxy) -> None:
    async with asyncio.timeout(20):
        for proxy in proxies:
            while not proxy.identities:  # noqa: ASYNC110 - that is all there is to see
                await asyncio.sleep(0.01)


def objects() -> Counter[str]:
    """How many there are of each type; what other tests left behind is not counted."""
    return Counter(type(one).__name__ for one in alive(*KEPT) if id(one) not in _OLDER)


def alive(*types: type) -> list[object]:
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, types)]


async def test_meshes_and_proxies_that_went_leave_no_keys_and_certificates() -> None:
    async with running() as zone:
        await zone.put(new_admin_ca(0))
        await live_and_die(zone, "first")
        # What is remembered of the newest step of the view is no more after one round than after many.
        before = objects()
        for number in range(3):
            while_there = await live_and_die(zone, f"mesh-{number}")
            assert while_there["MeshAuthority"] > before["MeshAuthority"], "the test counts what it wants to count"
            assert while_there["Leaf"] >= before["Leaf"] + 3
        after = objects()
        assert {name: after[name] for name in before} == dict(before)


async def test_certificates_stay_while_somebody_uses_them() -> None:
    async with running() as zone:
        for resource in mesh("m"):
            await zone.put(resource)
        dataplane = instance("dp", "10.1.0.1", 0)
        stored = await zone.put(Resource("Dataplane", "m", "dp", dataplane.spec))
        first, second = (zone.reconciler.attach(stored.key, ProxyFacts("dp")) for _ in range(2))
        await certified(first, second)
        issued = first.identities["m"]
        assert second.identities["m"] is issued
        zone.reconciler.detach(first)
        third = zone.reconciler.attach(stored.key, ProxyFacts("dp"))
        assert third.identities["m"] is issued
        zone.reconciler.detach(second)
        zone.reconciler.detach(third)
        again = zone.reconciler.attach(stored.key, ProxyFacts("dp"))
        assert again.identities["m"].leaf == issued.leaf, "the same certificate, made anew"


def test_forms_of_deleted_resources_are_dropped() -> None:
    index, view = MeshIndex(REGISTRY, ["MeshTimeout"], Settings()), View()
    made = (from_rest({"type": "Mesh", "name": "m"}, REGISTRY), policy("m", "slow"))
    for revision, states in ((1, made), (2, (None, None)), (3, made)):
        changes = tuple(Change(one.key, state) for one, state in zip(made, states, strict=True))
        view, touched = view.apply(Batch(revision, changes))
        index.update(view, touched)
        # The last ones are of the newest round; those before them are gone.
        assert forms() == Counter() if states[0] is None else Counter(Mesh=1, Policy=1)


def forms() -> Counter[str]:
    return Counter(type(one).__name__ for one in alive(Policy, Mesh) if id(one) not in _OLDER)
