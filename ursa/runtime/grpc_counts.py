"""`grpc_server_*`: calls as every gRPC server counts them, so that one dashboard fits all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import SECONDS, Count

LABELS = ("grpc_service", "grpc_method", "grpc_type")
STREAM, UNARY = "bidi_stream", "unary"

CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
"""By number, as Go writes them."""

OK, CANCELLED, UNKNOWN = 0, 1, 2


class CountedCall:
    """One call; `code` is how it ends."""

    def __init__(self, counts: GrpcCounts, labels: tuple[str, ...]) -> None:
        self._counts, self._labels = counts, labels
        self.code = OK

    def received(self) -> None:
        """A message came."""
        self._counts.received.add(*self._labels)

    def sent(self) -> None:
        """A message went out."""
        self._counts.sent.add(*self._labels)


class GrpcCounts:
    """Counts over all services of a server."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock

        def count(name: str, text: str, *more: str) -> Count:
            return Count(f"grpc_server_{name}_total", text, (*LABELS, *more), registry=registry)

        self._started = count("started", "Calls that began")
        self._handled = count("handled", "Calls that ended", "grpc_code")
        self.received = count("msg_received", "Messages received")
        self.sent = count("msg_sent", "Messages sent")
        self._seconds = Histogram(
            "grpc_server_handling_seconds", "How long calls took", LABELS, buckets=SECONDS, registry=registry
        )

    @contextmanager
    def call(self, path: str, kind: str = STREAM) -> Iterator[CountedCall]:
        """Counts a call of `/service/method` while it lasts; it ends with the code that is set by then."""
        labels = (*path.removeprefix("/").split("/", 1), kind)
        self._started.add(*labels)
        started, counted = self._clock.monotonic(), CountedCall(self, labels)
        try:
            yield counted
        finally:
            self._handled.add(*labels, CODES[counted.code])
            self._seconds.labels(*labels).observe(self._clock.monotonic() - started)
