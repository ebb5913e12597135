"""The calls of etcd's API that the engine needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from ursa.wire import etcd_pb2 as pb

Q = TypeVar("Q", bound=Message)
A = TypeVar(
    "A",
    bound=pb.RangeResponse
    | pb.TxnResponse
    | pb.DeleteRangeResponse
    | pb.CompactionResponse
    | pb.LeaseGrantResponse
    | pb.LeaseRevokeResponse
    | pb.LeaseKeepAliveResponse
    | pb.WatchResponse
    | pb.AuthenticateResponse,
)
"""All answers have a header."""


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One call of the API."""

    path: str
    answer: type[A]


RANGE: Method[pb.RangeRequest, pb.RangeResponse] = Method("/etcdserverpb.KV/Range", pb.RangeResponse)
TXN: Method[pb.TxnRequest, pb.TxnResponse] = Method("/etcdserverpb.KV/Txn", pb.TxnResponse)
DELETE: Method[pb.DeleteRangeRequest, pb.DeleteRangeResponse] = Method(
    "/etcdserverpb.KV/DeleteRange", pb.DeleteRangeResponse
)
COMPACT: Method[pb.CompactionRequest, pb.CompactionResponse] = Method("/etcdserverpb.KV/Compact", pb.CompactionResponse)
GRANT: Method[pb.LeaseGrantRequest, pb.LeaseGrantResponse] = Method(
    "/etcdserverpb.Lease/LeaseGrant", pb.LeaseGrantResponse
)
REVOKE: Method[pb.LeaseRevokeRequest, pb.LeaseRevokeResponse] = Method(
    "/etcdserverpb.Lease/LeaseRevoke", pb.LeaseRevokeResponse
)
KEEP_ALIVE: Method[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse] = Method(
    "/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveResponse
)
WATCH: Method[pb.WatchRequest, pb.WatchResponse] = Method("/etcdserverpb.Watch/Watch", pb.WatchResponse)
AUTHENTICATE: Method[pb.AuthenticateRequest, pb.AuthenticateResponse] = Method(
    "/etcdserverpb.Auth/Authenticate", pb.AuthenticateResponse
)
