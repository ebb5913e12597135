"""Runs recorded xDS cases against the planner alone: no sockets, no processes, milliseconds per case.

The same cases run against whole control planes in `make conformance`; here they are for quick answers.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from ursa.admission.manager import ResourceManager
from ursa.admission.startup import ensure_defaults
from ursa.catalog import default_registry
from ursa.discovery.snapshot import Snapshot
from ursa.envoy import types
from ursa.errors import InvalidResource
from ursa.model.forms import from_rest
from ursa.model.real_service import SHORT as SERVICE_KINDS
from ursa.model.real_service import parse_real_service
from ursa.model.resource import ResourceKey
from ursa.planner.inputs import FEATURE_TPROXY_IN_METADATA, ProxyFacts, Redirection
from ursa.planner.zone import ZonePlanner
from ursa.policies.effects import policy_plugins
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.memory import MemoryStore
from ursa.testing import shared_folder
from ursa.view.live import LiveView
from ursa.view.view import View
from zone_cp.facts import planner_settings
from zone_cp.reconciler.reconciler import Reconciler
from zone_cp.services import Services
from zone_cp.vips import VipAllocator

SHORT = {
    types.CLUSTER: "cds",
    types.ENDPOINT: "eds",
    types.LISTENER: "lds",
    types.ROUTE: "rds",
    types.SECRET: "sds",
    types.RUNTIME: "rtds",
}
FEATURES = frozenset(
    {
        "feature-tcp-accesslog-via-named-pipe",
        "feature-embedded-dns",
        "feature-readiness-unix-socket",
        "feature-strict-inbound-ports",
        "feature-reuse-port",
    }
)
REGISTRY = default_registry()
KINDS = {"dataplane": "Dataplane", "ingress": "ZoneIngress", "egress": "ZoneEgress"}


@dataclass(frozen=True)
class Case:
    """A recorded case of one control plane."""

    folder: Path
    spec: dict[str, Any]

    @property
    def baseline(self) -> Path | None:
        """Folder of what is below the case."""
        name = self.spec.get("baseline")
        return self.folder.parent.parent / "baselines" / name if name else None

    @property
    def environ(self) -> dict[str, str]:
        """Settings of the control plane."""
        below = yaml.safe_load((self.baseline / "baseline.yaml").read_text()) if self.baseline else {}
        return {k: str(v) for part in (below, self.spec) for k, v in (part.get("env") or {}).items()}

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Its resources, meshes first."""
        files = [self.folder / name for name in ("resources.yaml", "policy.yaml")]
        if self.baseline:
            files.insert(0, self.baseline / "resources.yaml")
        found = [d for f in files if f.exists() for d in yaml.safe_load_all(f.read_text()) if d]
        return sorted(found, key=lambda d: d["type"] != "Mesh")

    def expected(self, proxy: str) -> dict[str, dict[str, Any]]:
        """What was recorded for a proxy."""
        folder = self.folder / "expected" / proxy
        return {file.stem: yaml.safe_load(file.read_text()) for file in folder.glob("*.json")}


def case(group: str, name: str) -> Case | None:
    """A case, None where the recordings are absent."""
    shared = shared_folder()
    if shared is None:
        return None
    folder = shared / "conformance" / group / name
    return Case(folder, yaml.safe_load((folder / "case.yaml").read_text()))


def recorder(module: str) -> Any:
    """A module of the recordings' own tools."""
    shared = shared_folder()
    assert shared is not None
    folder = str(shared / "conformance")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(module)


async def answers(of: Case, *more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What every proxy of the case gets, normalised; `more` are further resources."""
    async with zone([*of.documents, *more], of.environ) as found:
        owners = vip_owners(found.live.current)
        return {proxy["name"]: _answer(found.reconciler, proxy, owners) for proxy in of.spec["proxies"]}


@dataclass(frozen=True)
class Zone:
    """A zone without its servers."""

    manager: ResourceManager
    live: LiveView
    reconciler: Reconciler

    async def put(self, document: dict[str, Any]) -> None:
        """Writes a resource; some cases are about what happens to resources that are refused."""
        resource = from_rest(document, REGISTRY)
        with suppress(InvalidResource):
            await self.manager.put(REGISTRY[resource.kind], resource.mesh, resource.name, document)

    async def delete(self, document: dict[str, Any]) -> None:
        """Deletes a resource."""
        resource = from_rest(document, REGISTRY)
        await self.manager.delete(REGISTRY[resource.kind], resource.mesh, resource.name)


@asynccontextmanager
async def zone(documents: Iterable[dict[str, Any]], environ: dict[str, str]) -> AsyncIterator[Zone]:
    """A zone that has these resources."""
    settings, clock = load(None, {"KUMA_STORE_TYPE": "memory", **environ}).settings, SystemClock()
    store = MemoryStore(clock)
    live = LiveView(store)
    following = [spawn(live.run(), "view")]
    await live.ready.wait()
    await ensure_defaults(store, settings, clock)
    name = settings.multizone.zone.name
    planner = ZonePlanner(name, REGISTRY, policy_plugins(), planner_settings(settings), check=True)
    manager = ResourceManager(store, live, REGISTRY, settings, clock)
    found = Zone(manager, live, Reconciler(live, planner, clock))
    for document in documents:
        await found.put(document)
    allocator = VipAllocator(store, live, clock, name, settings.dns_server.cidr)
    services = Services(store, live, clock, settings)
    parts = {"reconciler": found.reconciler.run(), "vips": allocator.run(), "services": services.run()}
    following += [spawn(part, name) for name, part in parts.items()]
    try:
        await asyncio.sleep(0.4)
        yield found
    finally:
        await cancel_and_wait(*following)


def vip_owners(view: View) -> dict[str, str]:
    """Virtual addresses of real services with the names by which recordings call their owners."""
    return {
        address: f"{kind} {service.mesh}/{service.display_name}"
        for kind in SERVICE_KINDS
        for service in map(parse_real_service, view.list(kind))
        for address in service.addresses
    }


def _answer(reconciler: Reconciler, proxy: dict[str, Any], owners: dict[str, str]) -> dict[str, Any]:
    mesh, _, name = proxy["proxy"].partition("/")
    key = ResourceKey(KINDS[proxy.get("type", "dataplane")], mesh, name)
    attached = reconciler.attach(key, facts(name, proxy))
    try:
        snapshot = attached.snapshot
        return {} if snapshot is None else recorder("normalise").normalise(decoded(snapshot), owners)
    finally:
        reconciler.detach(attached)


def facts(name: str, proxy: dict[str, Any]) -> ProxyFacts:
    """A proxy as the recordings' simulated Envoy describes it."""
    features = frozenset(proxy.get("features") or FEATURES)
    redirection = None
    if mode := proxy.get("tproxy"):
        features |= {FEATURE_TPROXY_IN_METADATA}
        redirection = Redirection(15006, 15001, True, mode == "dualstack")
    return ProxyFacts(
        name,
        features,
        admin_port=9901,
        admin_address="127.0.0.1",
        readiness_port=9902,
        dns_port=15053 if proxy.get("tproxy") else 0,
        workdir="/tmp/kuma-dp",
        redirection=redirection,
    )


def decoded(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """A snapshot as JSON by type and name."""
    ads = recorder("ads")
    ads.load_messages()
    found: dict[str, dict[str, Any]] = {}
    for type_url, short in SHORT.items():
        for entry in snapshot.entries(type_url):
            (packed,) = DiscoveryResponse.FromString(entry.any_framed).resources
            found.setdefault(short, {})[entry.name] = ads.to_dict(ads.parse(packed))
    return found


def exclusive_mesh(name: str) -> dict[str, Any]:
    """A mesh with mTLS, in which only real services are known and nothing is allowed by default."""
    return {
        "type": "Mesh",
        "name": name,
        "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]},
        "meshServices": {"mode": "Exclusive"},
        "skipCreatingInitialPolicies": ["*"],
    }
