"""A server's HTTP/2 connection without I/O: bytes in, events and bytes out.

Three kinds of frames are read here and never reach `h2`: DATA, WINDOW_UPDATE and PING (why, is told in the package).
So flow control is ours in both directions. One kind of stream is left to `h2` as a whole: a request that announces its
length, because `h2` holds it to that; both ways look the same from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from zone_cp.dp_server.http2 import frames
from zone_cp.dp_server.http2.budget import Budget
from zone_cp.dp_server.http2.events import (
    Broken,
    Ended,
    Event,
    Headers,
    PeerLeaves,
    Ponged,
    Received,
    Requested,
    Reset,
)
from zone_cp.dp_server.http2.frames import MAX_FRAME, MAX_WINDOW, Code, Flag, Kind
from zone_cp.dp_server.http2.outbound import Outbound, OutboundStream

UNANSWERED = 256 * 1024
"""Bytes of answers to its own frames that a peer may leave unread."""
MAX_HEADERS = 65_536
"""Bytes of headers, each counted with 32 more; what `h2` decodes at most."""


class Violation(Exception):
    """The peer broke the protocol, which ends the connection."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may do.

    Attributes:
        announced: streams at a time, as the settings say.
        streams: streams at a time that are really served; more are refused, which peers may try again.
        stream_window: bytes of a request's body that may be on their way.
        window: the same of all requests of a connection.
        held: bytes that nobody has read yet, over all streams; at more than that the connection as a whole has to wait.
    """

    announced: int = 1_000_000
    streams: int = 1_024
    stream_window: int = frames.INITIAL_WINDOW
    window: int = 1024 * 1024
    held: int = 16 * 1024 * 1024


@dataclass(slots=True)
class _Stream:
    """A stream that is open in at least one direction.

    Attributes:
        out: its sending half.
        window: what the peer may still send.
        owed: what it may send again once it is worth an update.
        checked: whether `h2` counts its DATA.
        ended: whether the request is complete.
    """

    out: OutboundStream
    window: int
    checked: bool
    owed: int = 0
    ended: bool = False


class Connection:
    """One connection with a client."""

    def __init__(self, limits: Limits | None = None, budget: Budget | None = None) -> None:
        """Has bytes to be sent from the start: the settings."""
        self._limits = limits or Limits()
        self._budget = budget or Budget()
        self._out = Outbound(self._budget)
        self._h2 = _state_machine(self._limits)
        self._window, self._owed, self._held = self._limits.window, 0, 0
        self._initial_window = frames.INITIAL_WINDOW
        self._streams: dict[int, _Stream] = {}
        self._newest, self._now = 0, 0.0
        self._rest = b""
        self._greeted = self._in_headers = self._broken = self._leaving = False
        self._events: list[Event] = []
        self._drained: list[int] = []
        self._h2.initiate_connection()
        if self._limits.window > frames.INITIAL_WINDOW:
            self._h2.increment_flow_control_window(self._limits.window - frames.INITIAL_WINDOW)
        self._relay()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Takes what the peer sent; `now` is the time in seconds."""
        if self._broken:
            return []
        self._events, self._now = [], now
        try:
            self._read(self._rest + data if self._rest else data)
        except Violation as violation:
            self._break(violation.code, str(violation))
        except ProtocolError as error:
            # `h2` has written why.
            self._relay()
            self._broken = True
            self._events.append(Broken(str(error)))
        if self._out.size > frames.MAX_FRAME + UNANSWERED:
            self._break(Code.ENHANCE_YOUR_CALM, "the peer does not read the answers that it asks for")
        return self._events

    def respond(self, stream: int, headers: Headers) -> None:
        """Sends the headers of a response; does nothing when the stream is gone, as all that follow."""
        if stream in self._streams and not self._broken:
            self._h2.send_headers(stream, headers)
            self._relay()

    def send(self, stream: int, *pieces: bytes) -> bool:
        """Queues data; returns whether all of it, and what waited before, is among the outgoing bytes already."""
        found = self._streams.get(stream)
        if found is None or self._broken:
            return True
        self._out.queue(found.out, *pieces)
        self._fill()
        return not found.out.waiting

    def drained(self) -> list[int]:
        """Streams on which nothing waits any more, since the last call."""
        drained, self._drained = self._drained, []
        return drained

    def finish(self, stream: int, headers: Headers | None = None) -> None:
        """Ends a response after everything queued: with trailers, or a response that has only headers, or just so."""
        found = self._streams.get(stream)
        if found is None or self._broken:
            return
        found.out.trailers = headers or []
        if not found.out.waiting:
            self._end(found)

    def reset(self, stream: int, code: Code) -> None:
        """Gives a stream up."""
        found = self._streams.pop(stream, None)
        if found is not None and not self._broken:
            self._out.forget(found.out)
            self._h2.reset_stream(stream, code)
            self._relay()

    def credit(self, stream: int, size: int) -> None:
        """Lets the peer send more on a stream."""
        found = self._streams.get(stream)
        if found is None or found.ended or self._broken:
            return
        if found.checked:
            self._h2.increment_flow_control_window(size, stream)
            self._relay()
            return
        found.owed += size
        if found.owed >= self._limits.stream_window // 2:
            found.window += found.owed
            self._out.control(frames.window_update(stream, found.owed))
            found.owed = 0

    def hold(self, size: int) -> None:
        """Bytes that were received wait for somebody to read them; negative when they were read."""
        self._held += size
        self._settle()

    def ping(self) -> None:
        """Asks whether the peer is there."""
        self._out.control(frames.ping(b"ursa-cp\0"))

    def go_away(self) -> None:
        """Lets open streams go on and serves no new ones."""
        if not self._leaving and not self._broken:
            self._leaving = True
            self._out.control(frames.go_away(self._newest, Code.NO_ERROR))

    @property
    def leaving(self) -> bool:
        """Whether no new streams are served."""
        return self._leaving

    @property
    def has_output(self) -> bool:
        """Whether there are bytes to write."""
        return self._out.size > 0

    def _fill(self) -> None:
        """Makes outgoing bytes of what waits, as far as there is room."""
        for out in self._out.fill():
            self._drained.append(out.id)
            if out.trailers is not None and (found := self._streams.get(out.id)) is not None:
                self._end(found)

    def take(self) -> bytes:
        """The bytes to write next, some of all that may be sent; empty when there is nothing more for now."""
        self._fill()
        return self._out.take()

    def _read(self, data: bytes) -> None:
        at = 0
        if not self._greeted:
            at = self._greet(data)
        while at >= 0 and len(data) - at >= frames.HEADER.size:
            high, low, kind, flags, stream = frames.HEADER.unpack_from(data, at)
            start, end = at + frames.HEADER.size, at + frames.HEADER.size + (high << 16 | low)
            if end - start > MAX_FRAME:
                raise Violation(Code.FRAME_SIZE_ERROR, "the frame is too large")
            if end > len(data):
                break
            self._frame(kind, flags, stream & frames.STREAM_BITS, data[start:end])
            at = end
        self._rest = data[max(at, 0) :]

    def _greet(self, data: bytes) -> int:
        """Where frames start: after the preface, which the settings have to follow; -1 as long as that is open."""
        size = len(frames.PREFACE)
        if data[:size] != frames.PREFACE[: len(data)]:
            raise Violation(Code.PROTOCOL_ERROR, "the client does not speak HTTP/2")
        if len(data) < size + frames.HEADER.size:
            return -1
        if data[size + 3] != Kind.SETTINGS:
            raise Violation(Code.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        self._greeted = True
        self._take(self._h2.receive_data(frames.PREFACE))
        return size

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == Kind.DATA and not self._in_headers:
            if not payload and not flags & Flag.END_STREAM:
                self._pay(kind)
            self._data(flags, stream, payload)
            return
        if kind not in (Kind.HEADERS, Kind.DATA):
            self._pay(kind)
        if self._in_headers:
            # Nothing but the continuation may come here, and `h2` sees to that.
            self._pass_on(kind, flags, stream, payload)
        elif kind == Kind.WINDOW_UPDATE:
            self._window_update(stream, payload)
        elif kind == Kind.PING:
            self._ping(flags, stream, payload)
        elif kind == Kind.GOAWAY:
            # `h2` would take it for the end of everything, but streams that are open go on.
            self._events.append(PeerLeaves())
        elif kind <= Kind.CONTINUATION:
            self._pass_on(kind, flags, stream, payload)

    def _pay(self, kind: int) -> None:
        if not self._budget.spend(kind, self._now):
            raise Violation(Code.ENHANCE_YOUR_CALM, "the peer sends too many frames that only cost")

    def _pass_on(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """To `h2`."""
        if kind in (Kind.HEADERS, Kind.CONTINUATION):
            self._in_headers = not flags & Flag.END_HEADERS
        self._take(self._h2.receive_data(frames.frame(kind, payload, flags=flags, stream=stream)))
        self._relay()

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        found = self._streams.get(stream)
        if found is not None and found.checked:
            self._pass_on(Kind.DATA, flags, stream, payload)
            return
        self._window -= len(payload)
        if self._window < 0:
            raise Violation(Code.FLOW_CONTROL_ERROR, "the peer ignores the window of the connection")
        self._owed += len(payload)
        if found is None or found.ended:
            self._late_data(found, stream)
            return
        content = frames.unpadded(payload, flags)
        if content is None:
            raise Violation(Code.PROTOCOL_ERROR, "the padding is longer than the frame")
        found.window -= len(payload)
        if found.window < 0:
            self._give_up(stream, Code.FLOW_CONTROL_ERROR)
            return
        if payload:
            self._events.append(Received(stream, content, len(payload)))
        self._settle()
        if flags & Flag.END_STREAM:
            self._pass_on(Kind.DATA, Flag.END_STREAM, stream, b"")

    def _late_data(self, found: _Stream | None, stream: int) -> None:
        """For streams that are over here the peer may not know yet; others never existed or were ended by itself."""
        if found is None and (stream > self._newest or stream % 2 == 0):
            raise Violation(Code.PROTOCOL_ERROR, "data for a stream that was never opened")
        self._settle()
        if found is not None:
            self._give_up(stream, Code.STREAM_CLOSED)

    def _give_up(self, stream: int, code: Code) -> None:
        self.reset(stream, code)
        self._events.append(Reset(stream))

    def _window_update(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Violation(Code.FRAME_SIZE_ERROR, "a window update has four bytes")
        increment = int.from_bytes(payload, "big") & MAX_WINDOW
        if not stream:
            self._out.window += increment
            if not increment or self._out.window > MAX_WINDOW:
                raise Violation(Code.FLOW_CONTROL_ERROR, "the window of the connection cannot become that large")
            return
        found = self._streams.get(stream)
        if found is None:
            if stream > self._newest or stream % 2 == 0:
                raise Violation(Code.PROTOCOL_ERROR, "a window for a stream that was never opened")
            return
        found.out.window += increment
        if not increment or found.out.window > MAX_WINDOW:
            self._give_up(stream, Code.PROTOCOL_ERROR if not increment else Code.FLOW_CONTROL_ERROR)
            return
        self._out.opened(found.out)

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise Violation(Code.FRAME_SIZE_ERROR, "a ping has eight bytes")
        if stream:
            raise Violation(Code.PROTOCOL_ERROR, "a ping on a stream")
        if flags & Flag.ACK:
            self._events.append(Ponged())
        else:
            self._out.control(frames.ping(payload, answer=True))

    def _take(self, received: list[h2_events.Event]) -> None:
        """What `h2` says about frames that it was given."""
        for event in received:
            if isinstance(event, h2_events.RequestReceived):
                self._open(event.stream_id, [(bytes(name), bytes(value)) for name, value in event.headers])
            elif isinstance(event, h2_events.DataReceived):
                if event.flow_controlled_length:
                    self._h2.increment_flow_control_window(event.flow_controlled_length)
                    self._events.append(Received(event.stream_id, event.data, event.flow_controlled_length))
            elif isinstance(event, h2_events.StreamEnded):
                if (found := self._streams.get(event.stream_id)) is not None:
                    found.ended = True
                    self._events.append(Ended(event.stream_id))
            elif isinstance(event, h2_events.StreamReset):
                if (found := self._streams.pop(event.stream_id, None)) is not None:
                    self._out.forget(found.out)
                    self._events.append(Reset(event.stream_id))
            elif isinstance(event, h2_events.RemoteSettingsChanged):
                self._adapt(event)

    def _open(self, stream: int, headers: Headers) -> None:
        self._newest = stream
        if self._leaving or len(self._streams) >= self._limits.streams:
            self._pay(Kind.RST_STREAM)
            self._h2.reset_stream(stream, Code.REFUSED_STREAM)
            return
        announced = any(name == b"content-length" for name, _ in headers)
        out = OutboundStream(stream, self._initial_window)
        self._streams[stream] = _Stream(out, self._limits.stream_window, checked=announced)
        self._events.append(Requested(stream, headers))

    def _adapt(self, event: h2_events.RemoteSettingsChanged) -> None:
        size = event.changed_settings.get(SettingCodes.MAX_FRAME_SIZE)
        if size is not None:
            # Larger frames would only make the turns of streams longer.
            self._out.max_frame = min(size.new_value, MAX_FRAME)
        window = event.changed_settings.get(SettingCodes.INITIAL_WINDOW_SIZE)
        if window is not None:
            change, self._initial_window = window.new_value - self._initial_window, window.new_value
            for found in self._streams.values():
                found.out.window += change
                if found.out.window > MAX_WINDOW:
                    raise Violation(Code.FLOW_CONTROL_ERROR, "the window of a stream cannot become that large")
                self._out.opened(found.out)

    def _settle(self) -> None:
        if self._owed >= self._limits.window // 2 and self._held < self._limits.held and not self._broken:
            self._window += self._owed
            self._out.control(frames.window_update(0, self._owed))
            self._owed = 0

    def _end(self, found: _Stream) -> None:
        stream, trailers = found.out.id, found.out.trailers
        del self._streams[stream]
        if trailers:
            self._h2.send_headers(stream, trailers, end_stream=True)
        else:
            self._h2.end_stream(stream)
        if not found.ended:
            # The response does not depend on the rest of the request, so the peer need not send it (RFC 9113 §8.1).
            self._h2.reset_stream(stream, Code.NO_ERROR)
        self._relay()

    def _break(self, code: Code, reason: str) -> None:
        if not self._broken:
            self._broken = True
            self._out.control(frames.go_away(self._newest, code, reason))
            self._events.append(Broken(reason))

    def _relay(self) -> None:
        """What `h2` wants to say."""
        if data := self._h2.data_to_send():
            self._out.control(data)


def _state_machine(limits: Limits) -> H2Connection:
    config = H2Configuration(
        client_side=False, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
    )
    machine = H2Connection(config)
    machine.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.announced,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window,
        },
    )
    return machine
