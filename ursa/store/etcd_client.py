"""A thin client of etcd's gRPC API: a list of endpoints with fail-over, TLS, user and password.

Written because the Python clients that exist know one endpoint only (aetcd), do not work with the protobuf runtime that
everything else here needs (etcd3), or go through the JSON gateway, whose watches are slow (etcd3gw). What an engine
needs of etcd is eight calls, so the client is smaller than the code that would have to live around another one.

One channel per endpoint, made anew when the files of its certificates have changed; all calls go to one of them until
it fails, then to the next. Repeating a call is safe because the only calls that change resources are transactions with
a comparison on every key they touch: the second time the comparison fails. `Answer.repeated` tells the engine to find
out in that case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StoreEtcd
from ursa.store.contract import Compacted, TooLarge
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

_ELSEWHERE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
"""Failures of one endpoint; another one may do better."""

_OTHER_USERS = "revision of auth store is old"
"""What etcd says to a token from before somebody changed users or roles."""

Files = tuple[bytes | None, bytes | None, bytes | None]
"""Authorities, key and certificate, as read from their files."""

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Two stores of one process must not share a connection: they may have different credentials.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One call of the API."""

    path: str
    answer: type[A]


RANGE: Method[pb.RangeRequest, pb.RangeResponse] = Method("/etcdserverpb.KV/Range", pb.RangeResponse)
TXN: Method[pb.TxnRequest, pb.TxnResponse] = Method("/etcdserverpb.KV/Txn", pb.TxnResponse)
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
_AUTHENTICATE: Method[pb.AuthenticateRequest, pb.AuthenticateResponse] = Method(
    "/etcdserverpb.Auth/Authenticate", pb.AuthenticateResponse
)


class NoSpace(Unavailable):
    """etcd has reached its quota: it refuses every transaction, even one that only reads; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[A]):
    """What etcd said; `repeated` when an earlier attempt may have reached it too."""

    message: A
    repeated: bool


class EtcdClient:
    """Calls etcd wherever it answers."""

    def __init__(self, access: StoreEtcd, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._options = (
            *_OPTIONS,
            ("grpc.keepalive_time_ms", int(access.keep_alive_interval * 1000)),
            ("grpc.keepalive_timeout_ms", int(access.keep_alive_timeout * 1000)),
        )
        self._channels: dict[int, grpc.aio.Channel] = {}
        self._files: Files = (None, None, None)
        self._retired: list[grpc.aio.Channel] = []
        self._current = int(clock.uniform(0, len(access.endpoints))) % len(access.endpoints)
        self._token = ""
        self._closed = False

    async def close(self) -> None:
        """Ends all calls."""
        self._closed = True
        channels, self._channels = [*self._channels.values(), *self._retired], {}
        for channel in channels:
            await channel.close()

    async def call(self, method: Method[Q, A], request: Q) -> A:
        """The answer of the first endpoint that has one; see `ask`."""
        return (await self.ask(method, request)).message

    async def ask(self, method: Method[Q, A], request: Q) -> Answer[A]:
        """The answer of the first endpoint that has one.

        Raises:
            Unavailable: none had one in time, or etcd refuses (`NoSpace`).
            TooLarge: etcd finds the request too large.
            Compacted: the revision asked for is gone, or yet to come.
        """
        deadline = self._clock.monotonic() + self._access.request_timeout
        given_up = self._clock.monotonic() + min(self._access.connect_timeout, self._access.request_timeout)
        gone: set[int] = set()
        attempt, again = 0, False
        while True:
            endpoint = self._current
            left = deadline - self._clock.monotonic()
            patience = left if len(self._access.endpoints) == 1 else min(left, self._access.request_timeout / 2)
            try:
                call = self._channel(endpoint).unary_unary(
                    method.path, request_serializer=_serialize, response_deserializer=method.answer.FromString
                )
                message: A = await call(request, timeout=patience, metadata=await self._metadata(endpoint))
                return Answer(message, again)
            except grpc.aio.AioRpcError as error:
                gone = gone | {endpoint} if _is_unreachable(error) else gone - {endpoint}
                until = given_up if len(gone) == len(self._access.endpoints) else deadline
                if not self._is_passing(error, endpoint) or self._clock.monotonic() + 0.2 > until:
                    raise self._translated(error) from None
                again = again or error.code() in _ELSEWHERE
            attempt += 1
            if attempt >= len(self._access.endpoints):
                await self._clock.sleep(self._clock.uniform(0.05, 0.2))

    async def converse(self, method: Method[Q, A], request: Q) -> AsyncGenerator[A, None]:
        """Opens a stream with one request and gives what comes; raises Unavailable when it breaks."""
        endpoint = self._current
        try:
            call = self._channel(endpoint).stream_stream(
                method.path, request_serializer=_serialize, response_deserializer=method.answer.FromString
            )
            # A member that lost its cluster ends the stream instead of keeping silent.
            metadata = (*await self._metadata(endpoint), ("hasleader", "true"))
            stream = call(metadata=metadata)
            try:
                await stream.write(request)
                while (message := await stream.read()) is not grpc.aio.EOF:
                    yield message
            finally:
                stream.cancel()
        except grpc.aio.AioRpcError as error:
            self._is_passing(error, endpoint)
            raise self._translated(error) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                # The stream was ended with its channel, nobody cancelled the reader.
                raise Unavailable("the store was closed") from None
            raise

    def _channel(self, endpoint: int) -> grpc.aio.Channel:
        if self._closed:
            raise Unavailable("the store was closed")
        if endpoint not in self._channels:
            address = self._access.endpoints[endpoint]
            if self._access.tls.enabled:
                self._files = self._read_files()
                credentials = grpc.ssl_channel_credentials(*self._files)
                self._channels[endpoint] = grpc.aio.secure_channel(address, credentials, options=self._options)
            else:
                self._channels[endpoint] = grpc.aio.insecure_channel(address, options=self._options)
        return self._channels[endpoint]

    async def _metadata(self, endpoint: int) -> tuple[tuple[str, str], ...]:
        if not self._access.user:
            return ()
        if not self._token:
            login = pb.AuthenticateRequest(name=self._access.user, password=self._access.password)
            call = self._channel(endpoint).unary_unary(
                _AUTHENTICATE.path,
                request_serializer=_serialize,
                response_deserializer=_AUTHENTICATE.answer.FromString,
            )
            self._token = (await call(login, timeout=self._access.request_timeout / 2)).token
        return (("token", self._token),)

    def _is_passing(self, error: grpc.aio.AioRpcError, endpoint: int) -> bool:
        """Whether another attempt may succeed, and prepares it: another endpoint, another token."""
        if error.code() in _ELSEWHERE:
            self._renew_channels()
            if self._current == endpoint:
                self._current = (endpoint + 1) % len(self._access.endpoints)
            return True
        stale = error.code() is grpc.StatusCode.UNAUTHENTICATED or _OTHER_USERS in (error.details() or "")
        if self._token and stale:
            self._token = ""
            return True
        return False

    def _renew_channels(self) -> None:
        """Lets new connections use the certificates that the files hold now: a channel keeps those it began with."""
        try:
            if not self._access.tls.enabled or self._read_files() == self._files:
                return
        except ConfigError as error:
            log.info("certificates of etcd cannot be read now", extra={"error": str(error)})
            return
        # Streams that still run on the old ones may go on until they end.
        self._retired += self._channels.values()
        self._channels.clear()

    def _read_files(self) -> Files:
        tls = self._access.tls
        return _read(tls.ca_path), _read(tls.key_path), _read(tls.cert_path)

    def _translated(self, error: grpc.aio.AioRpcError) -> Exception:
        text = error.details() or error.code().name.lower()
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT and ("too large" in text or "too many operations" in text):
            return TooLarge(f"etcd: {text}")
        if error.code() is grpc.StatusCode.OUT_OF_RANGE:
            return Compacted(f"etcd: {text}")
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "space exceeded" in text:
            return NoSpace(f"etcd: {text}; compact and defragment it, or raise its quota, then disarm its alarm")
        return Unavailable(f"etcd at {', '.join(self._access.endpoints)}: {text}")


def _is_unreachable(error: grpc.aio.AioRpcError) -> bool:
    """Whether there is no connection. A member without a leader says so itself, and may soon have one."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and not (error.details() or "").startswith("etcdserver: ")


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"store.etcd.tls: cannot read {path}: {error.strerror}") from None
