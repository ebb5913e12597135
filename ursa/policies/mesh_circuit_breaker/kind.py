"""MeshCircuitBreaker's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, check_items
from ursa.policies.core.checks import (
    in_range,
    must_be_defined,
    number_of,
    percentage,
    positive,
    positive_duration,
)
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.lists import check_inbound_lists
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_MULTI_ZONE_SERVICE, MESH_SERVICE
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(top=(*PROXIES, MESH_GATEWAY))
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_MULTI_ZONE_SERVICE)

_LIMITS = ("maxConnections", "maxConnectionPools", "maxPendingRequests", "maxRetries", "maxRequests")
_DETECTORS = ("totalFailures", "gatewayFailures", "localOriginFailures", "successRate", "failurePercentage")
_COUNTED = _DETECTORS[:3]


def kind() -> Kind:
    """Declares MeshCircuitBreaker."""
    return policy_kind(
        "MeshCircuitBreaker",
        short="mcb",
        path="meshcircuitbreakers",
        title="Mesh Circuit Breaker",
        titles="Mesh Circuit Breakers",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=from_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_inbound_lists(resource.spec)
    yield from check_items(resource, "from", (MESH,), _check_conf)
    for index, rule in enumerate(resource.spec.get("rules") or ()):
        # Kuma reports rules under the name of the list they replace, and tools match on that path.
        yield from _check_conf(f"spec.from[{index}].default", rule.get("default") or {})
    yield from check_items(resource, "to", _DESTINATIONS, _check_conf)


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    limits, detection = conf.get("connectionLimits"), conf.get("outlierDetection")
    if limits is None and detection is None:
        yield Violation(field, "at least one of: 'connectionLimits' or 'outlierDetection' should be configured")
    for name in _LIMITS:
        yield from positive(f"{field}.connectionLimits.{name}", (limits or {}).get(name))
    if detection is not None:
        yield from _check_detection(f"{field}.outlierDetection", detection)


def _check_detection(field: str, detection: JsonObject) -> Iterator[Violation]:
    yield from positive_duration(f"{field}.interval", detection.get("interval"))
    yield from positive_duration(f"{field}.baseEjectionTime", detection.get("baseEjectionTime"))
    yield from in_range(f"{field}.maxEjectionPercent", detection.get("maxEjectionPercent"), 0, 100)
    yield from percentage(f"{field}.healthyPanicThreshold", detection.get("healthyPanicThreshold"))
    detectors = detection.get("detectors")
    if detectors is None:
        yield must_be_defined(f"{field}.detectors")
    elif not any(name in detectors for name in _DETECTORS):
        yield Violation(f"{field}.detectors", f"must have at least one defined: {', '.join(_DETECTORS)}")
    else:
        yield from _check_detectors(f"{field}.detectors", detectors)


def _check_detectors(field: str, detectors: JsonObject) -> Iterator[Violation]:
    for name in _COUNTED:
        yield from positive(f"{field}.{name}.consecutive", (detectors.get(name) or {}).get("consecutive"))
    rate = detectors.get("successRate") or {}
    yield from _check_sample(f"{field}.successRate", rate)
    yield from _check_factor(f"{field}.successRate.standardDeviationFactor", rate.get("standardDeviationFactor"))
    failures = detectors.get("failurePercentage") or {}
    yield from _check_sample(f"{field}.failurePercentage", failures)
    yield from in_range(f"{field}.failurePercentage.threshold", failures.get("threshold"), 0, 100)


def _check_sample(field: str, detector: JsonObject) -> Iterator[Violation]:
    yield from positive(f"{field}.minimumHosts", detector.get("minimumHosts"))
    yield from positive(f"{field}.requestVolume", detector.get("requestVolume"))


def _check_factor(field: str, value: str | int | None) -> Iterator[Violation]:
    if value is None:
        return
    number = number_of(value)
    if number is None:
        yield Violation(field, "invalid number")
    elif number <= 0:
        yield Violation(field, "must be greater than 0")
