"""Groups of writes on their way to etcd, when etcd goes away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Create
from ursa.store.etcd_client import Answer, NoSpace
from ursa.store.etcd_keys import Keys, same_origin
from ursa.store.etcd_reads import Seen
from ursa.store.etcd_writes import EtcdWrites
from ursa.store.group_writer import Request
from ursa.wire import etcd_pb2 as pb

KEYS = Keys("/test")


class Client:
    """Commits the first transaction and is gone for the next."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []

    async def ask(self, _: object, request: pb.TxnRequest) -> Answer[pb.TxnResponse]:
        if self.stored:
            raise Unavailable("etcd is gone")
        self.stored = [operation.request_put.key for operation in request.success]
        return Answer(pb.TxnResponse(succeeded=True, header=pb.ResponseHeader(revision=7)), repeated=False)


class Reads:
    """Sees nothing."""

    def still_the_same(self) -> pb.Compare:
        return same_origin(KEYS.identity, 1)

    def nothing(self) -> Seen:
        return Seen()

    async def see(self, *_: object) -> Seen:
        return Seen(1, 1)


def requests(names: Sequence[str]) -> list[Request]:
    loop = asyncio.get_running_loop()
    # Together more than one transaction may be.
    return [
        Request([Create(Resource("Secret", "", name, {"data": "x" * 700_000}))], None, loop.create_future())
        for name in names
    ]


async def test_the_half_that_was_stored_is_not_reported_as_lost() -> None:
    client = Client()
    writes = EtcdWrites(client, KEYS, Reads(), SystemClock())  # type: ignore[arg-type]
    stored, lost = await writes.commit(requests(("a", "b")))
    assert isinstance(stored, tuple) and stored[1] == 7
    assert isinstance(lost, Unavailable) and "unknown whether" in str(lost)
    assert client.stored[0].endswith(b"a")


class Overflowing(Client):
    """Says that there is no room, after it has carried out what was asked, or before."""

    def __init__(self, *, carried_out: bool) -> None:
        super().__init__()
        self._carried_out = carried_out
        self.values: dict[bytes, bytes] = {}

    async def ask(self, _: object, request: pb.TxnRequest) -> Answer[pb.TxnResponse]:
        if self._carried_out:
            puts = (operation.request_put for operation in request.success)
            self.values |= {put.key: put.value for put in puts}
        raise NoSpace("etcd: space exceeded")


class ReadsOf(Reads):
    """Reads what a client has."""

    def __init__(self, client: Overflowing) -> None:
        self._client = client

    async def read(self, *operations: pb.RequestOp) -> tuple[int, list[pb.RangeResponse]]:
        found = []
        for operation in operations:
            value = self._client.values.get(operation.request_range.key)
            kvs = [] if value is None else [pb.KeyValue(key=operation.request_range.key, value=value, mod_revision=5)]
            found.append(pb.RangeResponse(kvs=kvs))
        return 6, found


@pytest.mark.parametrize("carried_out", [True, False])
async def test_what_fills_etcd_is_stored_although_it_was_refused(carried_out: bool) -> None:
    client = Overflowing(carried_out=carried_out)
    writes = EtcdWrites(client, KEYS, ReadsOf(client), SystemClock())  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    (outcome,) = await writes.commit([Request([Create(Resource("Secret", "", "a", {}))], None, loop.create_future())])
    if carried_out:
        assert isinstance(outcome, tuple) and outcome[1] == 5
    else:
        assert isinstance(outcome, NoSpace)
