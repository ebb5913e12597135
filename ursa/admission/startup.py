"""What a control plane makes sure of when it starts: keys, tokens, its Zone, a first mesh (`spec/rest-api.md` §11).

Every step looks first and creates only what is absent, so it is safe to repeat and to run beside other instances.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ursa.admission.hostname_generators import default_generators
from ursa.admission.meshes import companions_of_new
from ursa.admission.place import place_of
from ursa.errors import AlreadyExists, NotFound
from ursa.identity.ca import create_named_ca
from ursa.identity.envoy_admin import new_admin_ca
from ursa.identity.kept_authority import ENVOY_ADMIN, INTER_CP, kept
from ursa.identity.signing_keys import FIRST_SERIAL, ZONE_KEY, new_zone_signing_key, secret
from ursa.identity.user_tokens import ADMIN, ADMIN_TOKEN, USER_KEY, UserClaims, issue_with_key, new_user_signing_key
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.config.tree import Settings
from ursa.store.contract import Create, Delete, Store, Unreadable

CLUSTER_ID = "kuma-cluster-id"
DEFAULT_MESH = "default"


async def ensure_defaults(store: Store, settings: Settings, clock: Clock) -> None:
    """Creates what every control plane of this mode has; run by the leader.

    Raises:
        Unavailable: the store cannot be reached; call again later.
    """
    defaults = Defaults(store, settings, clock)
    await defaults.secret(INTER_CP, lambda: _inter_cp_ca(clock))
    if not settings.defaults.skip_tenant_resources:
        await defaults.ensure()


class Defaults:
    """The steps of one start."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._place = place_of(settings)

    async def ensure(self) -> None:
        """All of them, in the order in which one may need another."""
        if not self._place.federated:
            config = Resource("Config", "", CLUSTER_ID, {"config": self._clock.new_id()})
            await self._create(config)
            await self.secret(f"{ZONE_KEY}-{FIRST_SERIAL}", new_zone_signing_key)
        await self._user_tokens()
        if not self._place.is_global:
            await self.secret(ENVOY_ADMIN, lambda: new_admin_ca(self._clock.now_ns()))
            await self._zone()
        if not self._settings.defaults.skip_hostname_generators:
            for generator in default_generators(self._place):
                await self._create(generator)
        if not self._place.federated and not self._settings.defaults.skip_mesh_creation:
            await self._mesh()

    async def secret(self, name: str, make: Callable[[], Resource]) -> None:
        """A GlobalSecret, made in a thread because keys take long, and only when it is absent."""
        if await self._find("GlobalSecret", "", name) is None:
            await self._create(await asyncio.to_thread(make))

    async def _user_tokens(self) -> None:
        tokens = self._settings.api_server.authn
        if tokens.type != "tokens":
            return
        name = f"{USER_KEY}-{FIRST_SERIAL}"
        await self.secret(name, new_user_signing_key)
        if not tokens.tokens.bootstrap_admin_token:
            return
        key = await self._find("GlobalSecret", "", name)
        if key is not None:
            token = issue_with_key(key, self._clock, UserClaims(ADMIN, (ADMIN,)))
            await self._create(secret("GlobalSecret", "", ADMIN_TOKEN, token.encode()))

    async def _zone(self) -> None:
        """This zone's own Zone object; one left from a time when the zone had another name goes."""
        zones = (await self._store.list("Zone")).items
        for zone in zones:
            if zone.name != self._place.zone:
                await self._store.write([Delete(zone.key)])
        await self._create(Resource("Zone", "", self._place.zone))

    async def _mesh(self) -> None:
        if await self._find("Mesh", "", DEFAULT_MESH) is not None:
            return
        mesh = Resource("Mesh", "", DEFAULT_MESH)
        companions = await companions_of_new(mesh, self._find, self._clock.now_ns(), self._settings.defaults)
        try:
            await self._store.write([Create(mesh), *(Create(c) for c in companions)])
        except AlreadyExists:
            return

    async def _find(self, kind: str, mesh: str, name: str) -> Resource | None:
        """None also for what is there and cannot be read: creating it anew is refused, and nobody but a user may."""
        try:
            return await self._store.get(ResourceKey(kind, mesh, name))
        except (NotFound, Unreadable):
            return None

    async def _create(self, resource: Resource) -> None:
        """Creates unless it is there; another instance may be faster, which is as good."""
        if await self._find(resource.kind, resource.mesh, resource.name) is not None:
            return
        try:
            await self._store.write([Create(resource)])
        except AlreadyExists:
            return


def _inter_cp_ca(clock: Clock) -> Resource:
    authority = create_named_ca("Control Plane Intercommunication CA", clock.now_ns())
    return kept(INTER_CP, authority)
