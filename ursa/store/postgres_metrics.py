"""`store_postgres_*`: how many connections there are, read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ursa.store.postgres_pool import Pool


class PoolCollector(Collector):
    """Looks at the pool of the server that takes writes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        sizes = GaugeMetricFamily("store_postgres_connections", "Connections to PostgreSQL", labels=["type"])
        for kind, count in self._pool.sizes.items():
            sizes.add_metric([kind], count)
        yield sizes
        for name, text, value in (
            ("store_postgres_new_connection_acquire_count", "Connections made", self._pool.made),
            ("store_postgres_connections_destroyed_total", "Connections that are gone", self._pool.ended),
        ):
            metric = Metric(name, text, "counter")
            metric.add_sample(name, {}, value)
            yield metric
