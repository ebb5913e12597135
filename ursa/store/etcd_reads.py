"""What the etcd engine reads, always together with the proof that this is still the store it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ursa.errors import ConfigError, Unavailable
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import Clock
from ursa.store import etcd_keys as op
from ursa.store.blob import unpack
from ursa.store.contract import Lease, Stored
from ursa.store.etcd_client import EtcdClient, NoSpace
from ursa.store.etcd_keys import Keys, flat, nested
from ursa.store.etcd_methods import RANGE, TXN
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What writes are decided upon.

    Attributes:
        revision: of etcd, when this was read.
        head: the newest revision of ours.
        doubt: when somebody last made sure that transactions sent twice happen once.
        present: what is there, of the resources looked at.
        lost: leases that are no longer held, of those looked at.
    """

    revision: int = 0
    head: int = 0
    doubt: int = 0
    present: Mapping[ResourceKey, Stored] = field(default_factory=lambda: MappingProxyType({}))
    lost: frozenset[Lease] = frozenset()


class EtcdReads:
    """Reads below one prefix."""

    def __init__(self, client: EtcdClient, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._identity: tuple[bytes, int] | None = None
        self._doubt = 0

    async def open(self, clock: Clock) -> None:
        """Learns the identity of the store, or gives it one; raises ConfigError when its layout is newer than ours."""
        look = pb.RangeRequest(key=self._keys.identity)
        found = (await self._client.call(RANGE, look)).kvs
        if not found:
            created = op.put(self._keys.identity, clock.new_id().encode())
            request = pb.TxnRequest(
                compare=[op.same_origin(self._keys.identity, 0)],
                success=[
                    created,
                    op.put(self._keys.schema, str(op.SCHEMA_VERSION).encode()),
                    op.put(self._keys.head, b""),
                ],
            )
            await self._client.call(TXN, request)
            found = (await self._client.call(RANGE, look)).kvs
        if not found:
            raise Unavailable("etcd: the identity of the store is gone again")
        schema = (await self._client.call(RANGE, pb.RangeRequest(key=self._keys.schema))).kvs
        if schema and schema[0].value != str(op.SCHEMA_VERSION).encode():
            version = schema[0].value.decode(errors="replace")
            raise ConfigError(f"etcd has schema version {version}, this program knows {op.SCHEMA_VERSION}")
        self._identity = found[0].value, found[0].create_revision

    def nothing(self) -> Seen:
        """What is seen when nothing is looked at."""
        return Seen(doubt=self._doubt)

    def still_the_same(self) -> pb.Compare:
        """Holds while this is the store that was opened."""
        if self._identity is None:
            raise Unavailable("the store is not open")
        return op.same_origin(self._keys.identity, self._identity[1])

    async def read(self, *operations: pb.RequestOp) -> tuple[int, Sequence[pb.RangeResponse]]:
        """Reads at one revision, which comes with it; raises Unavailable when it is another store by now."""
        if self._identity is None:
            raise Unavailable("the store is not open")
        try:
            request = pb.TxnRequest(success=[op.get(self._keys.identity), *nested(operations)])
            answer = await self._client.call(TXN, request)
            revision = answer.header.revision
            identity, *found = (response.response_range for response in flat(answer.responses))
        except NoSpace:
            revision, identity, found = await self._read_singly(operations)
        if not identity.kvs or (identity.kvs[0].value, identity.kvs[0].create_revision) != self._identity:
            raise Unavailable(
                "etcd holds another store than before, its contents were lost or replaced; "
                "restart this control plane if that was intended"
            )
        return revision, found

    async def _read_singly(
        self, operations: Sequence[pb.RequestOp]
    ) -> tuple[int, pb.RangeResponse, list[pb.RangeResponse]]:
        """The same in single steps at one revision, for a server that is full."""
        identity = await self._client.call(RANGE, pb.RangeRequest(key=self._keys.identity))
        revision = identity.header.revision
        found = []
        for operation in operations:
            request = operation.request_range
            request.revision = request.revision or revision
            found.append(await self._client.call(RANGE, request))
        return revision, identity, found

    async def see(self, keys: Sequence[ResourceKey], fences: Sequence[Lease] = ()) -> Seen:
        """What is at these keys, and which of the leases are no longer held."""
        leases = [op.get(self._keys.lease(fence.name)) for fence in fences]
        resources = [op.get(self._keys.resource(key)) for key in keys]
        revision, (head, doubt, *found) = await self.read(
            op.get(self._keys.head), op.get(self._keys.doubt), *leases, *resources
        )
        self._doubt = revision_of(doubt)
        holders, parts = found[: len(fences)], found[len(fences) :]
        lost = (f for f, r in zip(fences, holders, strict=True) if not r.kvs or r.kvs[0].create_revision != f.token)
        present = {stored.key: stored for part in parts for stored in self.stored(part)}
        return Seen(revision, revision_of(head), self._doubt, present, frozenset(lost))

    def stored(self, found: pb.RangeResponse) -> Iterator[Stored]:
        """What stands at the keys in a range; those that are no keys of resources are left out."""
        for kv in found.kvs:
            try:
                key = self._keys.key_of(kv.key)
            except ValueError:
                log.error("a key below those of resources is none of ours", extra={"key": repr(kv.key)})
            else:
                yield unpack(key, kv.mod_revision, kv.value)


def revision_of(found: pb.RangeResponse) -> int:
    """When a key was last written; of the head: the newest revision of ours."""
    return found.kvs[0].mod_revision if found.kvs else 0
