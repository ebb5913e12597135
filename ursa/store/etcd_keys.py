"""How resources lie in etcd, and how transactions on them are put together.

Below the prefix:

    identity                        given to the cluster at first use, never written again
    schema                          version of this layout, as text; 1 where there is none
    head                            written by every transaction; its revision is the newest of ours
    doubt                           written after a transaction that was sent twice; see `etcd_writes`
    leases/<name>                   holder, bound to an etcd lease
    resources/<kind>\\0<mesh>\\0<name>   see `ursa.store.blob`; zero bytes keep the order of (mesh, name)
"""

from __future__ import annotations

from collections.abc import Sequence

from ursa.model.resource import ResourceKey
from ursa.store.blob import key_from
from ursa.wire import etcd_pb2 as pb

FAN_OUT = 60
"""Operations at one level of a transaction: etcd takes 128 along any path, so two levels of this many are allowed."""

COMPARED = 96
"""Resources that one transaction compares, each by itself; beside them come leases and the state of the store."""

BESIDE = 8
"""Leases that one transaction compares, at most one less."""

_LIMIT = 128


SCHEMA_VERSION = 1


class Keys:
    """Keys below one prefix."""

    def __init__(self, prefix: str) -> None:
        base = prefix.rstrip("/").encode()
        self.identity = base + b"/identity"
        self.schema = base + b"/schema"
        self.head = base + b"/head"
        self.doubt = base + b"/doubt"
        self.resources = base + b"/resources/"
        self._leases = base + b"/leases/"

    def lease(self, name: str) -> bytes:
        """Where the holder of a lease stands."""
        return self._leases + name.encode()

    def resource(self, key: ResourceKey) -> bytes:
        """Where a resource is."""
        return self.resources + "\0".join(key).encode()

    def key_of(self, raw: bytes) -> ResourceKey:
        """The resource that is at a key; raises ValueError when it is none of ours."""
        return key_from(raw[len(self.resources) :])

    def of_kind(self, kind: str, mesh: str | None) -> bytes:
        """What the keys of a kind, or of a kind in a mesh, begin with."""
        return self.resources + kind.encode() + b"\0" + (b"" if mesh is None else mesh.encode() + b"\0")


def end_of(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix` (which must not end with 0xff)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def get(key: bytes, end: bytes = b"", *, limit: int = 0, revision: int = 0) -> pb.RequestOp:
    """Reads one key or a range."""
    return pb.RequestOp(
        request_range=pb.RangeRequest(key=key, range_end=end, limit=limit, revision=revision),
    )


def put(key: bytes, value: bytes, lease: int = 0) -> pb.RequestOp:
    """Writes one key."""
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))


def delete(key: bytes) -> pb.RequestOp:
    """Removes one key."""
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))


def unchanged(key: bytes, mod_revision: int) -> pb.Compare:
    """Holds while a key is at this revision; 0 = does not exist."""
    return pb.Compare(target=pb.Compare.MOD, key=key, mod_revision=mod_revision)


def same_origin(key: bytes, create_revision: int) -> pb.Compare:
    """Holds while a key is the one created at this revision."""
    return pb.Compare(target=pb.Compare.CREATE, key=key, create_revision=create_revision)


def nested(operations: Sequence[pb.RequestOp], *, beside: int = 0) -> Sequence[pb.RequestOp]:
    """The same operations within etcd's limit: portions of them as transactions in the transaction.

    Args:
        operations: what to do.
        beside: comparisons in the same transaction.
    """
    portion = min(FAN_OUT, _LIMIT - beside)
    if len(operations) <= portion:
        return operations
    return [
        pb.RequestOp(request_txn=pb.TxnRequest(success=operations[start : start + portion]))
        for start in range(0, len(operations), portion)
    ]


def flat(responses: Sequence[pb.ResponseOp]) -> Sequence[pb.ResponseOp]:
    """The responses to operations that went through `nested`."""
    found: list[pb.ResponseOp] = []
    for response in responses:
        if response.HasField("response_txn"):
            found += response.response_txn.responses
        else:
            found.append(response)
    return found
