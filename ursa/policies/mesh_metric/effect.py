"""MeshMetric: which metrics a proxy shows, and to whom (`spec` §3.13)."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.model.json import JsonObject
from ursa.policies.core.policy import Policy, effective_default
from ursa.policies.plugin import PolicyPlugin

KIND = "MeshMetric"


class MeshMetricPlugin(PolicyPlugin):
    """Has the policies matched; they are for the proxy as a whole, and the planner asks `metrics_conf`."""

    kind = KIND


def metrics_conf(policies: Iterable[Policy]) -> JsonObject | None:
    """What the policies of a proxy say, in ascending strength; without backends they leave it to the mesh."""
    found = effective_default(policies)
    return found.conf if found is not None and found.conf.get("backends") else None
