"""A thin client of etcd's gRPC API: a list of endpoints with fail-over, TLS, user and password.

Written because the Python clients that exist know one endpoint only (aetcd), do not work with the protobuf runtime that
everything else here needs (etcd3), or go through the JSON gateway, whose watches are slow (etcd3gw). What an engine
needs of etcd is nine calls, so the client is smaller than the code that would have to live around another one.

One channel per endpoint, made anew when the files of its certificates have changed; all calls go to one of them until
it fails, then to the next. A member that keeps silent is asked something small beside; if it does not answer that
either, it hangs or has lost its cluster: its calls and streams are given up and others asked. So a slow call is waited
for, and a member that hangs is not. When all were silent their second chance is twice as long. If that answer tells of
another leader, the call was given to the one before and may be lost, so it is made again.

Repeating a call is safe because the only calls that change resources are transactions with a comparison on every key
they touch: the second time the comparison fails. `Answer.repeated` tells the engine to find out in that case, and that
a member which wakes up may still carry out what it had been asked first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import grpc
from google.protobuf.message import Message

from ursa.errors import ConfigError, Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StoreEtcd
from ursa.store.contract import Compacted, Full, TooLarge
from ursa.store.etcd_methods import AUTHENTICATE, RANGE, A, Method, Q
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)

_ELSEWHERE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
"""Failures of one endpoint; another one may do better."""

_OTHER_USERS = "revision of auth store is old"
"""What etcd says to a token from before somebody changed users or roles."""

Metadata = tuple[tuple[str, str], ...]

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


_SMALL = pb.RangeRequest(key=b"\0")
"""A question that costs nothing: about a key that is not ours, and nobody's."""


class NoSpace(Full):
    """etcd has reached its quota: it refuses every transaction, even one that only reads, and new leases."""


class GivenUp(Exception):
    """There will be no answer: the member hangs, or the leader it gave the call to is no longer one."""

    def __init__(self, reason: str, *, hangs: bool) -> None:
        super().__init__(reason)
        self.hangs = hangs


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
        self._streams: dict[int, set[grpc.aio.StreamStreamCall]] = {}
        self._current = int(clock.uniform(0, len(access.endpoints))) % len(access.endpoints)
        self._token = ""
        self._term = 0
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
        members = len(self._access.endpoints)
        deadline = self._clock.monotonic() + self._access.request_timeout
        given_up = self._clock.monotonic() + min(self._access.connect_timeout, self._access.request_timeout)
        gone: set[int] = set()
        attempt, again = 0, False
        while True:
            endpoint = self._current
            left = deadline - self._clock.monotonic()
            silence = None if members == 1 else self._access.silence_timeout * 2.0 ** (attempt // members)
            try:
                return Answer(await self._attempt(method, request, endpoint, left=left, silence=silence), again)
            except GivenUp as error:
                gone.discard(endpoint)
                again = True
                if error.hangs:
                    self._leave(endpoint)
                if self._clock.monotonic() + 0.2 > deadline:
                    raise Unavailable(f"etcd: {error}") from None
            except grpc.aio.AioRpcError as error:
                gone = gone | {endpoint} if _is_unreachable(error) else gone - {endpoint}
                until = given_up if len(gone) == members else deadline
                if not self._is_passing(error, endpoint) or self._clock.monotonic() + 0.2 > until:
                    raise self._translated(error) from None
                again = again or error.code() in _ELSEWHERE
            attempt += 1
            if attempt >= members:
                await self._clock.sleep(self._clock.uniform(0.05, 0.2))

    async def _attempt(
        self, method: Method[Q, A], request: Q, endpoint: int, *, left: float, silence: float | None
    ) -> A:
        """The answer of one member within `left` seconds; raises GivenUp. `silence` None = wait."""
        metadata = await self._metadata(endpoint, left=left, silence=silence)
        return await self._attentively(method, request, endpoint, left=left, silence=silence, metadata=metadata)

    async def _attentively(
        self,
        method: Method[Q, A],
        request: Q,
        endpoint: int,
        *,
        left: float,
        silence: float | None,
        metadata: Metadata = (),
    ) -> A:
        call = self._unary(method, endpoint)(request, timeout=left, metadata=metadata)
        done, term = asyncio.Event(), self._term
        call.add_done_callback(lambda _: done.set())
        try:
            while silence is not None and not await _happens(done, silence):
                lives = await self._lives(endpoint, min(silence, left), metadata)
                if done.is_set():
                    break
                if not lives:
                    raise GivenUp(f"{self._access.endpoints[endpoint]} does not answer", hangs=True)
                if 0 < term < self._term:
                    raise GivenUp("another member leads the cluster", hangs=False)
            message: A = await call
        finally:
            call.cancel()
        self._term = max(self._term, message.header.raft_term)
        return message

    async def _lives(self, endpoint: int, patience: float, metadata: Metadata) -> bool:
        """Whether a member answers at all and has a cluster, which a consistent read needs."""
        try:
            answer: pb.RangeResponse = await self._unary(RANGE, endpoint)(_SMALL, timeout=patience, metadata=metadata)
            self._term = max(self._term, answer.header.raft_term)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        return True

    def _unary(self, method: Method[Q, A], endpoint: int) -> grpc.aio.UnaryUnaryMultiCallable:
        return self._channel(endpoint).unary_unary(
            method.path, request_serializer=_serialize, response_deserializer=method.answer.FromString
        )

    def _leave(self, endpoint: int) -> None:
        """Gives a member up for now, with the streams that nothing would come from any more."""
        if self._current == endpoint:
            self._current = (endpoint + 1) % len(self._access.endpoints)
            log.info("a member of etcd hangs, asking others", extra={"member": self._access.endpoints[endpoint]})
        for stream in self._streams.pop(endpoint, ()):
            stream.cancel()

    async def converse(self, method: Method[Q, A], request: Q) -> AsyncGenerator[A, None]:
        """Opens a stream with one request and gives what comes; raises Unavailable when it breaks."""
        endpoint = self._current
        try:
            call = self._channel(endpoint).stream_stream(
                method.path, request_serializer=_serialize, response_deserializer=method.answer.FromString
            )
            # A member that lost its cluster ends the stream instead of keeping silent.
            metadata = (*await self._metadata(endpoint, left=self._access.request_timeout / 2), ("hasleader", "true"))
            stream = call(metadata=metadata)
            self._streams.setdefault(endpoint, set()).add(stream)
            try:
                await stream.write(request)
                while (message := await stream.read()) is not grpc.aio.EOF:
                    yield message
            finally:
                self._streams.get(endpoint, set()).discard(stream)
                stream.cancel()
        except grpc.aio.AioRpcError as error:
            self._is_passing(error, endpoint)
            raise self._translated(error) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the reader: the stream was ended by us, with its channel or because its member hangs.
            why = "the store was closed" if self._closed else "etcd: the member hangs"
            raise Unavailable(why) from None

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

    async def _metadata(self, endpoint: int, *, left: float, silence: float | None = None) -> Metadata:
        if not self._access.user:
            return ()
        if not self._token:
            login = pb.AuthenticateRequest(name=self._access.user, password=self._access.password)
            answer = await self._attentively(AUTHENTICATE, login, endpoint, left=left, silence=silence)
            self._token = answer.token
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
            return NoSpace(
                f"etcd: {text}; single resources can still be deleted; to go on, compact and defragment etcd or raise "
                "its quota, then disarm its alarm (etcdctl compact, defrag, alarm disarm)"
            )
        return Unavailable(f"etcd at {', '.join(self._access.endpoints)}: {text}")


def _is_unreachable(error: grpc.aio.AioRpcError) -> bool:
    """Whether there is no connection. A member without a leader says so itself, and may soon have one."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and not (error.details() or "").startswith("etcdserver: ")


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event happens within a time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"store.etcd.tls: cannot read {path}: {error.strerror}") from None
