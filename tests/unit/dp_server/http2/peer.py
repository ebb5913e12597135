"""A client of the protocol core: `h2` on the other end, and frames made by hand for what it would never send."""

from __future__ import annotations

from dataclasses import dataclass, field

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection

from zone_cp.dp_server.http2 import frames
from zone_cp.dp_server.http2.connection import Connection
from zone_cp.dp_server.http2.events import Broken, Event
from zone_cp.dp_server.http2.frames import Kind

REQUEST = [
    (":method", "POST"),
    (":path", "/service/method"),
    (":scheme", "https"),
    (":authority", "cp"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
RESPONSE = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]


def settings(**values: int) -> bytes:
    """A frame with settings by their names in `h2`."""
    body = b"".join(
        int(getattr(h2.settings.SettingCodes, n)).to_bytes(2, "big") + v.to_bytes(4, "big") for n, v in values.items()
    )
    return frames.frame(Kind.SETTINGS, body)


GREETING = frames.PREFACE + settings()


@dataclass
class Peer:
    """Both ends, and what each saw."""

    server: Connection = field(default_factory=Connection)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.client.initiate_connection()
        self.seen: list[h2.events.Event] = []
        self.told: list[Event] = []
        self.exchange()

    def exchange(self) -> list[Event]:
        """Lets bytes pass until nobody has any; returns what the server was told."""
        told: list[Event] = []
        while True:
            up = self.client.data_to_send()
            told += self.server.receive(up, self.now) if up else []
            down = self.server.take()
            self.seen += self.client.receive_data(down) if down else []
            if not up and not down:
                self.told += told
                return told

    def open(self, stream: int = 1, *, end: bool = False, extra: tuple[tuple[str, str], ...] = ()) -> list[Event]:
        """A request."""
        self.client.send_headers(stream, [*REQUEST, *extra], end_stream=end)
        return self.exchange()

    def raw(self, data: bytes) -> list[Event]:
        """Bytes past the client."""
        return self.server.receive(data, self.now)

    def got(self, kind: type[h2.events.Event]) -> list[h2.events.Event]:
        """What the client saw of one kind."""
        return [event for event in self.seen if isinstance(event, kind)]

    def body(self, stream: int = 1) -> bytes:
        """What the client received on a stream."""
        found = [e for e in self.got(h2.events.DataReceived) if e.stream_id == stream]
        return b"".join(event.data for event in found)


def reason(told: list[Event]) -> str:
    """Why the connection broke; empty if it did not."""
    return next((event.reason for event in told if isinstance(event, Broken)), "")


def sent_frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Kind, flags, stream and payload of all frames."""
    found, at = [], 0
    while at < len(data):
        high, low, kind, flags, stream = frames.HEADER.unpack_from(data, at)
        end = at + frames.HEADER.size + (high << 16 | low)
        found.append((kind, flags, stream, data[at + frames.HEADER.size : end]))
        at = end
    return found
