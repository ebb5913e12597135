"""Encrypts secrets at rest in whichever engine there is: contents are sealed on the way in and opened on the way out.

Rotation: add the new key as the last line everywhere, move it to the first line everywhere, run `ursa-cp migrate up`,
which seals everything anew, remove the old line. Turning encryption on is the same without the old key; what had been
stored in the open stays in the engine's history and free space until these are overwritten. A store whose secrets need
a key that is not there, or another one of the same name, is refused at the start; one secret that cannot be opened is
`Damaged`, and nothing else suffers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from ursa.errors import ConfigError, Conflict, NotFound
from ursa.model.resource import Resource
from ursa.store.contract import Damaged, Delete, Lease, Store, Stored, Update, Write
from ursa.store.inspecting import Inspecting
from ursa.store.sealing import Sealer, Tampered, UnknownKey, key_name

log = logging.getLogger(__name__)

SECRETS = ("Secret", "GlobalSecret")
"""Kinds whose specs are sealed."""


class SealedStore(Inspecting):
    """See `Store`."""

    def __init__(self, inner: Store, sealer: Sealer) -> None:
        super().__init__(inner)
        self._sealer = sealer

    async def open(self) -> None:
        """Raises ConfigError, too, when the keys that secrets are sealed with are not there."""
        await self._inner.open()
        try:
            await self._check_keys()
        except ConfigError:
            await self._inner.close()
            raise

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        revision, stored = await self._inner.write([self._seal(write) for write in writes], fence=fence)
        return revision, tuple(self._open(resource) for resource in stored)

    async def seal_anew(self) -> int:
        """Seals everything with the first key that is not; returns how many secrets that were."""
        count = 0
        async for resource in self._stored():
            if self._sealer.is_current(resource):
                continue
            try:
                await self._inner.write([Update(self._sealer.seal(self._sealer.open(resource)), resource.version)])
            except (Conflict, NotFound):
                # Whoever was faster has sealed it, or removed it.
                continue
            except Tampered as error:
                log.error("secret is left as it is", extra={"error": str(error)})
                continue
            count += 1
        return count

    async def _check_keys(self) -> None:
        """Tells a wrong key from a damaged secret: it opens none of several, the other is told when it is read."""
        refused: Counter[str] = Counter()
        opening: set[str] = set()
        async for resource in self._stored():
            try:
                self._sealer.open(resource)
            except UnknownKey as error:
                raise ConfigError(str(error)) from None
            except Tampered:
                refused[key_name(resource)] += 1
            else:
                opening.add(key_name(resource))
        for name, count in refused.items():
            if count > 1 and name not in opening:
                raise ConfigError(
                    f"store.encryption.keyFile: the key {name!r} opens none of the {count} secrets "
                    "that are sealed with a key of this name: it is another one"
                )

    async def _stored(self) -> AsyncIterator[Resource]:
        for kind in SECRETS:
            after = None
            while True:
                page = await self._inner.list(kind, after=after)
                for resource in page.items:
                    yield resource
                if (after := page.after) is None:
                    break

    def _seal(self, write: Write) -> Write:
        if isinstance(write, Delete) or write.resource.kind not in SECRETS:
            return write
        return replace(write, resource=self._sealer.seal(write.resource))

    def _open(self, resource: Resource) -> Resource:
        return self._sealer.open(resource) if resource.kind in SECRETS else resource

    def inspect(self, resource: Resource) -> Stored:
        try:
            return self._open(resource)
        except (UnknownKey, Tampered) as error:
            return Damaged(resource.key, resource.version, str(error))
