"""Rules of CircuitBreakers."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.errors import Violation
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy
from ursa.model.validation.values import share

_SELECTORS = connection_policy(source_service=True, destination_only_service=True)


def circuit_breaker_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a CircuitBreaker."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf", {})
    parts = {name: conf[name] for name in ("detectors", "thresholds") if name in conf}
    # A conf without these two is one that only times the detectors of other versions; Kuma takes it.
    if not conf or (parts and not any(parts.values())):
        found.append(Violation("conf", "must have at least one of the detector or threshold configured"))
    else:
        found += [Violation(f"conf.{name}", "can't be empty") for name, part in parts.items() if not part]
    found += share("conf.maxEjectionPercent", conf.get("maxEjectionPercent"))
    failure = parts.get("detectors", {}).get("failure", {})
    found += share("conf.detectors.failure.threshold", failure.get("threshold"))
    return found
