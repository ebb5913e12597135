"""Resources that proxies bring along: created or updated when they connect, deleted a while after they are gone.

The resource of a proxy that was created beforehand, by a person or by Kubernetes, is left alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import orjson

from ursa.admission.dataplanes import check_workload, membership_violations, prepared
from ursa.errors import AlreadyExists, BadRequest, Conflict, InvalidResource, NotFound, Unauthenticated
from ursa.model.forms import from_rest
from ursa.model.kind import Registry
from ursa.model.labels import Locality, compute_labels
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Delete, Store
from ursa.view.live import LiveView
from zone_cp.dp_server.node import NodeInfo
from zone_cp.proxies.authentication import Authenticator

log = logging.getLogger(__name__)

KINDS: Mapping[str, str] = MappingProxyType(
    {"dataplane": "Dataplane", "ingress": "ZoneIngress", "egress": "ZoneEgress"}
)
INSIGHTS: Mapping[str, str] = MappingProxyType({kind: f"{kind}Insight" for kind in KINDS.values()})

ATTEMPTS = 5
"""How often a write is tried against concurrent writers of the same resource. No setting: there are none but
control planes to which the same proxy connected at the same time."""

REMEMBERED = 16_384
"""Proxies of which is remembered with what they were admitted; others are read anew when they come back."""

OVERRIDE = "you are trying to override existing proxy to which you don't have an access."


class Registration:
    """Keeps the resources of connected proxies in the store."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        registry: Registry,
        locality: Locality,
        authenticator: Authenticator,
        clock: Clock,
        instance_id: str,
        delay: float,
    ) -> None:
        """Args: delay: seconds after which the resource of a proxy that is gone is deleted."""
        self._instance_id = instance_id
        self._store, self._live, self._registry = store, live, registry
        self._locality, self._authenticator, self._clock, self._delay = locality, authenticator, clock, delay
        self._leaving: dict[ResourceKey, asyncio.Task[None]] = {}
        self._admitted: dict[ResourceKey, tuple[bytes, int, int]] = {}
        """Under which circumstances each proxy was admitted: what it brought, the version of its mesh, and as which
        version its resource was stored. Then all of it is right, except that tokens expire and are revoked."""
        self.read = 0
        """How many resources of proxies had to be read so far."""

    async def admit(self, node: NodeInfo, token: str) -> Resource:
        """Authenticates a proxy and returns its resource as stored.

        Raises:
            Unauthenticated: the token is not good for this proxy.
            NotFound: it brings no resource and there is none.
            BadRequest, InvalidResource: the resource it brings cannot be used.
        """
        key = ResourceKey(KINDS[node.kind], node.mesh, node.name)
        await self._stay(key)
        existing = self._live.current.get(*key)
        circumstances = _fingerprint(node, token), self._version("Mesh", "", node.mesh)
        if existing is not None and self._admitted.get(key) == (*circumstances, existing.version):
            self._authenticator.check(node, token, existing)
            return existing
        brought = self._read(node, key)
        if brought is None:
            if existing is None:
                text = f'resource "{node.id}" not found; create a Dataplane in Kuma CP first or pass it as an argument'
                raise NotFound(f"{text} to kuma-dp")
            self._authenticator.check(node, token, existing)
            return existing
        self._authenticator.check(node, token, brought)
        if existing is not None:
            self._may_replace(node, token, existing)
        self._validate(brought)
        stored = await self._upsert(brought)
        self._admitted.pop(key, None)
        self._admitted[key] = (*circumstances, stored.version)
        if len(self._admitted) > REMEMBERED:
            del self._admitted[next(iter(self._admitted))]
        return stored

    def leave(self, key: ResourceKey, may_delete: Callable[[], bool]) -> None:
        """Deletes the resource in a while, unless the proxy is back, here or elsewhere, or `may_delete` says no."""

        async def wait_and_delete() -> None:
            await self._clock.sleep(self._delay)
            self._leaving.pop(key, None)
            if may_delete() and not self._is_elsewhere(key):
                await self._delete(key)

        if key not in self._leaving:
            self._leaving[key] = spawn(wait_and_delete(), f"deregister {key}")

    async def close(self) -> None:
        """Forgets who was about to be deleted: a control plane that stops deletes nothing."""
        await cancel_and_wait(*self._leaving.values())
        self._leaving.clear()

    async def _stay(self, key: ResourceKey) -> None:
        task = self._leaving.pop(key, None)
        if task is not None:
            await cancel_and_wait(task)

    def _is_elsewhere(self, key: ResourceKey) -> bool:
        """Whether another instance says that it serves the proxy."""
        insight = self._live.current.get(INSIGHTS[key.kind], key.mesh, key.name)
        return insight is not None and any(
            "disconnectTime" not in one and one.get("controlPlaneInstanceId") != self._instance_id
            for one in insight.spec.get("subscriptions", ())
        )

    def _version(self, *key: str) -> int:
        """Of a resource in the view, 0 when there is none."""
        found = self._live.current.get(*key)
        return found.version if found is not None else 0

    def _read(self, node: NodeInfo, key: ResourceKey) -> Resource | None:
        if not node.resource_text:
            return None
        self.read += 1
        try:
            document = orjson.loads(node.resource_text)
        except ValueError as error:
            raise BadRequest(f"could not parse proxy resource in node metadata: {error}") from None
        if not isinstance(document, dict) or document.get("type") != key.kind:
            raise BadRequest(f"proxy resource in node metadata must be a {key.kind}")
        resource = from_rest(document, self._registry)
        if (resource.mesh, resource.name) != (key.mesh, key.name):
            other = f"{resource.mesh}.{resource.name}"
            raise BadRequest(f"proxyId {node.id} does not match proxy resource {other}")
        return resource

    def _may_replace(self, node: NodeInfo, token: str, existing: Resource) -> None:
        try:
            self._authenticator.check(node, token, existing)
        except Unauthenticated:
            raise Unauthenticated(OVERRIDE) from None

    def _validate(self, resource: Resource) -> None:
        kind = self._registry[resource.kind]
        violations = list(kind.validate(resource))
        if not kind.global_scope:
            mesh = self._live.current.get("Mesh", "", resource.mesh)
            if mesh is None:
                raise NotFound(f'mesh "{resource.mesh}" does not exist')
            if resource.kind == "Dataplane":
                check_workload(resource)
                violations += membership_violations(resource, mesh)
        if violations:
            raise InvalidResource(violations)

    async def _upsert(self, brought: Resource) -> Resource:
        kind = self._registry[brought.kind]
        for _ in range(ATTEMPTS):
            view = self._live.current
            existing = view.get(*brought.key)
            wanted = self._complete(brought, existing)
            if not kind.global_scope:
                wanted = wanted.with_labels(compute_labels(wanted, kind, self._locality))
            if existing is not None and existing.same_content(wanted):
                return existing
            try:
                revision, (stored,) = await self._store.write([view.replacing(wanted)])
            except (AlreadyExists, Conflict, NotFound):
                # The view is behind: somebody else wrote it. What is there now has to be looked at.
                await self._live.wait_for(await self._store.revision())
                continue
            await self._live.wait_for(revision)
            return stored
        raise Conflict(f"{brought.key} keeps being changed by others")

    def _complete(self, brought: Resource, existing: Resource | None) -> Resource:
        """What is stored: what the proxy brings, with what control planes have written into it."""
        if brought.kind == "Dataplane":
            return prepared(brought, self._locality.zone, existing)
        if brought.kind == "ZoneIngress" and existing is not None and "availableServices" in existing.spec:
            spec = {**brought.spec, "availableServices": existing.spec["availableServices"]}
            return replace(brought, spec=spec)
        return brought

    async def _delete(self, key: ResourceKey) -> None:
        insight = ResourceKey(INSIGHTS[key.kind], key.mesh, key.name)
        present = [one for one in (key, insight) if self._live.current.get(*one) is not None]
        try:
            await self._store.write([Delete(one) for one in present])
        except NotFound:
            log.info("resource of a gone proxy was deleted by somebody else", extra={"resource": str(key)})
        else:
            log.info("proxy is gone, its resource was deleted", extra={"resource": str(key)})


def _fingerprint(node: NodeInfo, token: str) -> bytes:
    """Stands for what a proxy brings along and the token that allows it to."""
    return hashlib.sha256(f"{len(token)} {token}{node.resource_text}".encode()).digest()
