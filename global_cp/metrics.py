"""How zones are, as metrics: read from the watermarks when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from global_cp.zone_state import Status
from global_cp.zone_sync import ZoneSync
from global_cp.zones import Zones
from kds.metrics import quarantined_family
from ursa.view.live import LiveView


class ZonesCollector(Collector):
    """Status, lag and what is held back, by zone."""

    def __init__(self, zones: Zones, sync: ZoneSync, live: LiveView) -> None:
        self._zones, self._sync, self._live = zones, sync, live

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        status = GaugeMetricFamily("ursa_zone_status", "1 for the status a zone has", labels=["zone", "status"])
        lag = GaugeMetricFamily("ursa_zone_lag_revisions", "revisions a zone is behind", labels=["zone"])
        for zone in self._live.current.list("Zone"):
            state = self._sync.state(zone)
            for one in Status:
                status.add_metric([zone.name, one.value], float(state.status is one))
            if (behind := self._sync.lag(zone.name)) is not None:
                lag.add_metric([zone.name], behind)
        yield status
        yield lag
        yield quarantined_family(
            {name: (memory.sent, memory.received) for name, memory in sorted(self._zones.memories.items())}
        )
