"""Counters of a zone control plane: how many proxies, how much was planned, what was read and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ursa.view.live import LiveView
from zone_cp.proxies.lifecycle import ProxyLifecycle
from zone_cp.reconciler.reconciler import Reconciler


class ZoneCollector(Collector):
    """Reads the parts when somebody asks; nothing is kept up to date for nobody."""

    def __init__(self, lifecycle: ProxyLifecycle, reconciler: Reconciler, live: LiveView) -> None:
        self._lifecycle, self._reconciler, self._live = lifecycle, reconciler, live

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield GaugeMetricFamily("ursa_proxies_connected", "Proxies with a stream here", self._lifecycle.connected)
        yield GaugeMetricFamily("xds_streams_active", "Streams of proxies", self._lifecycle.connected)
        versions = GaugeMetricFamily(
            "xds_client_versions", "Connected proxies by their launcher's version", labels=["client_version"]
        )
        for version, count in sorted(Counter(self._lifecycle.versions()).items()):
            versions.add_metric([version], count)
        yield versions
        yield self._assignments()
        unplanned = sum(1 for proxy in self._reconciler.proxies if proxy.error)
        text = "Connected proxies that keep what they have, or have nothing, because they cannot be planned"
        yield GaugeMetricFamily("ursa_proxies_unplanned", text, unplanned)
        yield GaugeMetricFamily("ursa_view_revision", "Newest revision seen", self._live.current.revision)
        planning, lifecycle = self._reconciler.planning, self._lifecycle
        for name, text, value in (
            ("ursa_outbound_classes_planned", "Outbound halves that were planned", planning.classes_planned),
            ("ursa_own_halves_planned", "Own halves of proxies that were planned", planning.own_planned),
            (
                "ursa_zone_proxy_ways_planned",
                "Ways of zone proxies that were planned",
                planning.ways_planned,
            ),
            ("ursa_load_assignments_built", "Load assignments that were made", planning.assignments.built),
            ("ursa_xds_responses", "Responses sent to proxies", lifecycle.responses),
            ("ursa_xds_acknowledgements", "Responses that proxies applied", lifecycle.acknowledgements),
        ):
            yield CounterMetricFamily(name, text, value)

    def _assignments(self) -> Metric:
        """How often the endpoints of a cluster were there already, and how often they had to be made."""
        metric, assignments = Metric("cla_cache", "Load assignments", "counter"), self._reconciler.planning.assignments
        for result, count in (("hit", assignments.found), ("miss", assignments.built)):
            metric.add_sample("cla_cache", {"operation": "get", "result": result}, count)
        return metric
