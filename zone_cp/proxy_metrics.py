"""What a zone counts of its conversations with proxies, under the names that Kuma's dashboards read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from ursa.api.metrics import RequestMetrics
from ursa.runtime.clock import Clock
from ursa.runtime.grpc_counts import GrpcCounts
from ursa.runtime.telemetry import SIZES, Count, Summary
from zone_cp.dp_server.calls import StreamService
from zone_cp.grpc_metrics import CountedService

ACK, NACK = "ACK", "NACK"


class ConversationMetrics:
    """`xds_*` or `hds_*`: what is said to proxies, and what they answer."""

    def __init__(self, protocol: str, registry: CollectorRegistry, clock: Clock) -> None:
        """Args: protocol: `xds` or `hds`."""
        self._sent = Count(f"{protocol}_responses_sent", "Responses sent", ("type_url",), registry=registry)
        self._answers = Count(
            f"{protocol}_requests_received",
            "Answers to responses received",
            ("type_url", "confirmation", "error_type"),
            registry=registry,
        )
        self._generation = Summary(
            f"{protocol}_generation",
            "Finding out what a proxy should have",
            clock,
            ("proxy_type", "result"),
            registry=registry,
        )
        self._errors = Count(f"{protocol}_generation_errors", "Proxies that could not be planned", registry=registry)

    def sent(self, type_url: str) -> None:
        """A response went out."""
        self._sent.add(type_url)

    def answered(self, type_url: str, *, accepted: bool) -> None:
        """A proxy took a response over, or refused it."""
        self._answers.add(type_url, *((ACK, "no_error") if accepted else (NACK, "other")))

    def generated(self, proxy_type: str, seconds: float, *, changed: bool) -> None:
        """It was found out what a proxy should have."""
        self._generation.observe(seconds, proxy_type, "changed" if changed else "skip")

    def failed(self) -> None:
        """It could not be found out."""
        self._errors.add()


class ProxyMetrics(ConversationMetrics):
    """`xds_*`, and what else is done for proxies."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        super().__init__("xds", registry, clock)
        self._clock = clock
        self._bytes = Histogram(
            "xds_responses_sent_bytes", "Size of responses", ["type_url"], buckets=SIZES, registry=registry
        )
        self._delivery = Summary("xds_delivery", "From a response to its answer", clock, registry=registry)
        self._regenerated = Count(
            "xds_dataplane_config_regenerated_total",
            "Configurations of Dataplanes that became others",
            ("mesh",),
            registry=registry,
        )
        self._issued = Count("cert_generation", "Certificates made for proxies", ("mesh",), registry=registry)
        self.issuing = Summary(
            "ca_manager_get_cert", "Having a certificate made", clock, ("backend_name",), registry=registry
        )
        self.loading = Summary(
            "ca_manager_get_root_cert_chain", "Reading a mesh's authority", clock, ("backend_name",), registry=registry
        )
        self._calls = GrpcCounts(registry, clock)
        self.requests = RequestMetrics(registry, clock, "dp")

    @classmethod
    def unseen(cls, clock: Clock) -> ProxyMetrics:
        """Counts for nobody."""
        return cls(CollectorRegistry(), clock)

    def counted(self, service: StreamService) -> StreamService:
        """A service whose calls are counted."""
        return CountedService(service, self._calls)

    def size(self, type_url: str, size: int) -> None:
        """How large a response was that went out."""
        self._bytes.labels(type_url).observe(size)

    def delivered(self, seconds: float) -> None:
        """How long it took from a response to its answer."""
        self._delivery.observe(seconds)

    def regenerated(self, mesh: str) -> None:
        """The configuration of a Dataplane became another one."""
        self._regenerated.add(mesh)

    def issued(self, mesh: str) -> None:
        """A certificate was made."""
        self._issued.add(mesh)
