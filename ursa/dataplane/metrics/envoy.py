"""What is done to Envoy's own metrics before anybody sees them.

Clusters that are parts of one service count as one, and traffic of the mesh can be told from the proxy's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ursa.dataplane.metrics.exposition import Family, Sample, label, with_labels

CLUSTER = "envoy_cluster_name"
MANAGER = "envoy_http_conn_manager_prefix"
MESH_TRAFFIC = {"kuma_io_mesh_traffic": "true"}

_INTERNAL_CLUSTERS = frozenset({"ads_cluster", "access_log_sink", "kuma_envoy_admin", "kuma_metrics_hijacker"})
_INTERNAL_MANAGERS = frozenset({"admin", "kuma_envoy_admin", "kuma_metrics_prometheus"})
_INTERNAL_PREFIXES = ("_", "system_")
"""Of what the proxy needs for itself in the newer naming schemes."""

_PART = re.compile(r'(envoy_cluster_name="[^"]+)-[0-9a-f]{16}"')


def prepared(families: Iterable[Family]) -> Iterator[Family]:
    """Envoy's families, ready to be shown."""
    for family in families:
        samples = _joined(family.samples) if any(_PART.search(one.labels) for one in family.samples) else family.samples
        yield Family(family.name, family.type, family.help, [_marked(one) for one in samples])


def _joined(samples: Iterable[Sample]) -> list[Sample]:
    """Samples of the clusters `<service>-<16 hexadecimal digits>` added up as those of the service."""
    found: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        one = sample._replace(labels=_PART.sub(r'\1"', sample.labels))
        key = (one.name, one.labels)
        before = found.get(key)
        found[key] = one if before is None else one._replace(value=_sum(before.value, one.value))
    return list(found.values())


def _sum(one: str, other: str) -> str:
    total = float(one) + float(other)
    return str(int(total)) if total.is_integer() else repr(total)


def _marked(sample: Sample) -> Sample:
    if _is_mesh(label(sample.labels, CLUSTER), _INTERNAL_CLUSTERS) or _is_mesh(
        label(sample.labels, MANAGER), _INTERNAL_MANAGERS
    ):
        return sample._replace(labels=with_labels(sample.labels, MESH_TRAFFIC))
    return sample


def _is_mesh(name: str | None, internal: frozenset[str]) -> bool:
    return name is not None and name not in internal and not name.startswith(_INTERNAL_PREFIXES)


def kept(families: Iterable[Family], wanted: Callable[[str], bool], internal: Callable[[str], bool]) -> list[Family]:
    """The families that are wanted by name, without samples of clusters that are internal."""
    found = []
    for family in families:
        if wanted(family.name):
            samples = [s for s in family.samples if (name := label(s.labels, CLUSTER)) is None or not internal(name)]
            if samples:
                found.append(Family(family.name, family.type, family.help, samples))
    return found
