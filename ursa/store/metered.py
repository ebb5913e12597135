"""Counts and times what a control plane asks of its store, whichever engine it is; an idle one asks nothing.

The names are those of Kuma's dashboards. Operations that Kuma has no name for, because it polls instead, have their
own: `revision`, `contents` (everything at once) and `watch` (the start of one).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from ursa.errors import Conflict
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import SECONDS, Count
from ursa.store.contract import Batch, Contents, Create, Delete, Lease, Page, Store, Update, Write
from ursa.store.wrapper import Wrapper

ALL = ""
"""Resource type of operations on everything."""

_OPERATIONS = {Create: "create", Update: "update", Delete: "delete"}


class MeteredStore(Wrapper):
    """A store that observes every call to another one; see `Store`."""

    def __init__(self, inner: Store, registry: CollectorRegistry, clock: Clock) -> None:
        super().__init__(inner)
        self._clock = clock
        labels = ("operation", "resource_type")
        self._seconds = Histogram("store", "Duration of store operations", labels, buckets=SECONDS, registry=registry)
        self._conflicts = Count(
            "store_conflicts", "Writes refused because of another one", ("resource_type",), registry=registry
        )

    async def get(self, key: ResourceKey) -> Resource:
        with self._observed(("get", key.kind)):
            return await super().get(key)

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        with self._observed(("list", kind)):
            return await super().list(kind, mesh, limit=limit, after=after)

    async def contents(self) -> Contents:
        with self._observed(("contents", ALL)):
            return await super().contents()

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        with self._observed(*((_OPERATIONS[type(write)], _key(write).kind) for write in writes)):
            try:
                return await super().write(writes, fence=fence)
            except Conflict:
                for kind in {_key(write).kind for write in writes}:
                    self._conflicts.add(kind)
                raise

    def watch(self, revision: int) -> AsyncIterator[Batch]:
        with self._observed(("watch", ALL)):
            return super().watch(revision)

    async def revision(self) -> int:
        with self._observed(("revision", ALL)):
            return await super().revision()

    @contextmanager
    def _observed(self, *operations: tuple[str, str]) -> Iterator[None]:
        started = self._clock.monotonic()
        try:
            yield
        finally:
            taken = self._clock.monotonic() - started
            for operation in operations:
                self._seconds.labels(*operation).observe(taken)


def _key(write: Write) -> ResourceKey:
    return write.key if isinstance(write, Delete) else write.resource.key
