"""`grpc_server_*`: calls of proxies as every gRPC server counts them, so that one dashboard fits all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from prometheus_client import CollectorRegistry, Histogram

from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import SECONDS, Count
from zone_cp.dp_server.calls import Call, CallEnded, Handler, Status, StreamService

_LABELS = ("grpc_service", "grpc_method", "grpc_type")
_TYPE = "bidi_stream"
_CODES = {
    Status.OK: "OK",
    Status.CANCELLED: "Canceled",
    Status.UNKNOWN: "Unknown",
    Status.DEADLINE_EXCEEDED: "DeadlineExceeded",
    Status.RESOURCE_EXHAUSTED: "ResourceExhausted",
    Status.UNIMPLEMENTED: "Unimplemented",
    Status.INTERNAL: "Internal",
    Status.UNAVAILABLE: "Unavailable",
}
"""As Go writes them."""


class GrpcMetrics:
    """Counts over all services of a server."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock

        def count(name: str, text: str, *more: str) -> Count:
            return Count(f"grpc_server_{name}_total", text, (*_LABELS, *more), registry=registry)

        self._started = count("started", "Calls that began")
        self._handled = count("handled", "Calls that ended", "grpc_code")
        self._received = count("msg_received", "Messages received")
        self._sent = count("msg_sent", "Messages sent")
        self._seconds = Histogram(
            "grpc_server_handling_seconds", "How long calls took", _LABELS, buckets=SECONDS, registry=registry
        )

    def counted(self, service: StreamService) -> StreamService:
        """The service with its calls counted."""
        return _CountedService(service, self)

    def handler(self, path: str, serve: Handler) -> Handler:
        """What serves calls of a method and counts them."""
        labels = (*path.removeprefix("/").split("/", 1), _TYPE)

        async def counting(call: Call) -> None:
            self._started.add(*labels)
            started, status = self._clock.monotonic(), Status.CANCELLED
            try:
                await serve(_CountedCall(call, self, labels))
                status = Status.OK
            except CallEnded as error:
                status = error.status
                raise
            except Exception:
                status = Status.UNKNOWN
                raise
            finally:
                self._handled.add(*labels, _CODES[status])
                self._seconds.labels(*labels).observe(self._clock.monotonic() - started)

        return counting

    def received(self, labels: tuple[str, ...]) -> None:
        """A message came."""
        self._received.add(*labels)

    def sent(self, labels: tuple[str, ...]) -> None:
        """A message went out."""
        self._sent.add(*labels)


class _CountedService:
    def __init__(self, service: StreamService, metrics: GrpcMetrics) -> None:
        self._service, self._metrics = service, metrics

    def methods(self) -> Mapping[str, Handler]:
        return {path: self._metrics.handler(path, serve) for path, serve in self._service.methods().items()}

    def close(self) -> None:
        self._service.close()


class _CountedCall:
    def __init__(self, call: Call, metrics: GrpcMetrics, labels: tuple[str, ...]) -> None:
        self._call, self._metrics, self._labels = call, metrics, labels
        self._messages = aiter(call)

    @property
    def peer(self) -> str:
        return self._call.peer

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._call.metadata

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        message = await anext(self._messages)
        self._metrics.received(self._labels)
        return message

    async def write(self, message: bytes) -> None:
        await self._call.write(message)
        self._metrics.sent(self._labels)
