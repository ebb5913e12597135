"""Groups of writes on their way to etcd, when etcd goes away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Create
from ursa.store.etcd_client import Answer
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
