"""What a control plane is, and how much it holds, as metrics: read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ursa.model.kind import Registry
from ursa.runtime.config import Settings
from ursa.version import BASED_ON_KUMA, VERSION
from ursa.view.live import LiveView

CLUSTER_ID = "kuma-cluster-id"


class PlaneCollector(Collector):
    """`cp_info`, `leader` and `resources_count`."""

    def __init__(
        self, live: LiveView, registry: Registry, instance: str, leads: Callable[[], bool], *, count: bool
    ) -> None:
        """Args:
        live: what it holds.
        registry: all kinds.
        instance: id of this replica.
        leads: whether this replica leads now.
        count: whether to tell of how many resources of each kind there are.
        """
        self._live, self._kinds, self._count = live, [kind.name for kind in registry], count
        self._instance, self._leads = instance, leads

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        view, leads = self._live.current, self._leads()
        cluster = view.get("Config", "", CLUSTER_ID)
        about = {
            "product": "Ursa",
            "version": VERSION,
            "git_tag": "unknown",
            "git_commit": "unknown",
            "build_date": "unknown",
            "based_on_kuma": BASED_ON_KUMA,
            "instance_id": self._instance,
            "cluster_id": str(cluster.spec.get("config", "")) if cluster is not None else "",
        }
        info = GaugeMetricFamily("cp_info", "What this control plane is", labels=list(about))
        info.add_metric(list(about.values()), 1)
        yield info
        yield GaugeMetricFamily("leader", "Whether this instance leads", value=float(leads))
        if self._count and leads:
            # The instances have the same resources, so only one of them tells.
            counts = GaugeMetricFamily("resources_count", "Resources by type", labels=["resource_type", "tenant"])
            for kind in self._kinds:
                counts.add_metric([kind, ""], view.count(kind))
            yield counts


def observe_plane(
    metrics: CollectorRegistry,
    settings: Settings,
    live: LiveView,
    registry: Registry,
    instance: str,
    *,
    leads: Callable[[], bool],
) -> None:
    """Registers what every control plane tells of itself and of its process."""
    counted = settings.metrics.control_plane.report_resources_count
    metrics.register(PlaneCollector(live, registry, instance, leads, count=counted))
    ProcessCollector(registry=metrics)
