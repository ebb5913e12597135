"""Which of Envoy's metrics are shown: a profile, less what is excluded, and again what is included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ursa.dataplane.metrics.envoy import kept
from ursa.dataplane.metrics.exposition import Family

ALL, BASIC, NONE = "All", "Basic", "None"

_CONTAINS = (
    "rq_time", "cx_length_ms", "cx_count", "_rq", "bytes", "timeout", "health_check", "lb_healthy_panic", "cx_destroy",
    "error", "fail", "reset", "eject", "overflow", "cancelled", "max_duration_reached", "no_cluster", "no_route",
    "no_filter_chain", "reject", "denied", "days_until_first_cert_expiring", "rbac", "cx_active", "cx_connect",
)  # fmt: skip
_EXACT = frozenset(
    {
        "envoy_cluster_membership_degraded",
        "envoy_cluster_membership_healthy",
        "envoy_cluster_membership_total",
        "envoy_cluster_ssl_handshake",
    }
)
_PREFIXES = ("envoy_server", "envoy_control_plane", "envoy_dns_filter", "envoy_dns_cares")

_INTERNAL_PREFIXES = ("system_", "_", "tracing")
_INTERNAL = frozenset({"ads_cluster", "access_log_sink", "kuma_envoy_admin", "kuma_metrics_hijacker"})


@dataclass(frozen=True, slots=True)
class Selector:
    """One entry of `exclude` or `include`."""

    type: str
    match: str

    def fits(self, name: str) -> bool:
        """Whether a family of this name is meant."""
        match self.type:
            case "Prefix":
                return name.startswith(self.match)
            case "Contains":
                return self.match in name
            case "Exact":
                return name == self.match
            case _:
                return _found(self.match, name)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a MeshMetric says about the sidecar."""

    name: str = BASIC
    exclude: tuple[Selector, ...] = ()
    include: tuple[Selector, ...] = ()
    include_unused: bool = False

    @classmethod
    def of(cls, sidecar: Mapping[str, Any]) -> Profile:
        """Reads `sidecar` of the policy; of several profiles the broadest counts."""
        profiles = sidecar.get("profiles") or {}
        named = {one.get("name") for one in profiles.get("appendProfiles") or ()}
        name = next((one for one in (ALL, BASIC, NONE) if one in named), BASIC)
        exclude, include = (_selectors(profiles.get(which) or ()) for which in ("exclude", "include"))
        return cls(name, exclude, include, bool(sidecar.get("includeUnused")))

    def apply(self, families: Iterable[Family]) -> list[Family]:
        """The families that are shown."""
        internal = _is_internal if self.name == BASIC else _nothing
        found = list(families)
        shown = {family.name: family for family in kept(found, self._shows, internal)}
        again = {family.name: family for family in found if any(one.fits(family.name) for one in self.include)}
        both = shown | again
        return [both[family.name] for family in found if family.name in both]

    def _shows(self, name: str) -> bool:
        if self.name == NONE or (self.name == BASIC and not _basic(name)):
            return False
        return not any(one.fits(name) for one in self.exclude)


def _selectors(entries: Iterable[Mapping[str, Any]]) -> tuple[Selector, ...]:
    return tuple(Selector(str(one.get("type")), str(one.get("match"))) for one in entries)


def _basic(name: str) -> bool:
    return name in _EXACT or name.startswith(_PREFIXES) or any(part in name for part in _CONTAINS)


def _is_internal(cluster: str) -> bool:
    return cluster in _INTERNAL or cluster.startswith(_INTERNAL_PREFIXES)


def _nothing(_: str) -> bool:
    return False


def _found(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False  # what is valid for whoever admitted it and not here excludes and includes nothing
