"""When a call to etcd is waited for, made again, or taken elsewhere, with members that behave as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd
from ursa.store.etcd_client import EtcdClient
from ursa.store.etcd_methods import RANGE, TXN
from ursa.wire import etcd_pb2 as pb


class Member(grpc.GenericRpcHandler):
    """Answers reads and transactions."""

    def __init__(self) -> None:
        self.term = 1
        self.reads_answer = True
        self.pauses: list[float] = []
        """Seconds before the answers to the next transactions."""
        self.transactions = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        handlers = {RANGE.path: (self._read, pb.RangeRequest), TXN.path: (self._write, pb.TxnRequest)}
        handle, request = handlers[details.method]
        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=request.FromString, response_serializer=lambda m: m.SerializeToString()
        )

    async def _read(self, _: pb.RangeRequest, context: object) -> pb.RangeResponse:
        if not self.reads_answer:
            await asyncio.Event().wait()
        return pb.RangeResponse(header=pb.ResponseHeader(raft_term=self.term))

    async def _write(self, _: pb.TxnRequest, context: object) -> pb.TxnResponse:
        self.transactions += 1
        await asyncio.sleep(self.pauses.pop(0) if self.pauses else 0)
        return pb.TxnResponse(succeeded=True, header=pb.ResponseHeader(raft_term=self.term))


@asynccontextmanager
async def cluster(*members: Member, **settings: str) -> AsyncIterator[EtcdClient]:
    """A client of these members that talks to the first one."""
    servers, endpoints = [grpc.aio.server() for _ in members], []
    for server, member in zip(servers, members, strict=True):
        server.add_generic_rpc_handlers((member,))
        endpoints.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
    access = StoreEtcd(endpoints=endpoints, request_timeout="30s", silence_timeout="300ms", **settings)
    client = EtcdClient(access, First())
    try:
        yield client
    finally:
        await client.close()
        await asyncio.gather(*(server.stop(None) for server in servers))


class First(SystemClock):
    """Chance always takes the first."""

    def uniform(self, low: float, high: float) -> float:
        return low


async def test_a_slow_answer_is_waited_for_while_the_member_lives() -> None:
    one, two = Member(), Member()
    async with cluster(one, two) as client:
        one.pauses = [1.5]
        assert not (await client.ask(TXN, pb.TxnRequest())).repeated
        assert (one.transactions, two.transactions) == (1, 0)


async def test_a_member_that_answers_nothing_is_left() -> None:
    one, two = Member(), Member()
    async with cluster(one, two) as client:
        one.pauses, one.reads_answer = [60.0], False
        assert (await client.ask(TXN, pb.TxnRequest())).repeated
        assert not (await client.ask(TXN, pb.TxnRequest())).repeated, "it stays with the other one"
        assert (one.transactions, two.transactions) == (1, 2)


async def test_what_was_given_to_a_leader_that_is_none_any_more_is_asked_again() -> None:
    one, two = Member(), Member()
    async with cluster(one, two) as client:
        await client.call(RANGE, pb.RangeRequest())
        one.pauses, one.term = [60.0], 2
        assert (await client.ask(TXN, pb.TxnRequest())).repeated
        assert (one.transactions, two.transactions) == (2, 0), "the member is in order"


async def test_members_that_are_all_slow_get_more_time_the_next_time() -> None:
    one, two = Member(), Member()
    async with cluster(one, two) as client:
        for member in (one, two):
            member.pauses, member.reads_answer = [60.0, 0.9], False
        assert (await client.ask(TXN, pb.TxnRequest())).repeated
        assert (one.transactions, two.transactions) == (2, 1)


async def test_the_time_for_a_request_ends_it() -> None:
    one, two = Member(), Member()
    async with cluster(one, two) as client:
        client._access = client._access.model_copy(update={"request_timeout": 1.5})
        for member in (one, two):
            member.pauses, member.reads_answer = [60.0] * 9, False
        with pytest.raises(Unavailable, match=r"does not answer|Deadline"):
            await client.ask(TXN, pb.TxnRequest())
