"""MeshHealthCheck's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_file_path
from ursa.policies.core.attachment import PROXIES, Attachment, check_items
from ursa.policies.core.checks import (
    at_least_one_of,
    in_range,
    must_be_defined,
    percentage,
    positive_duration,
    positive_when_defined,
    status_code,
)
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_MULTI_ZONE_SERVICE, MESH_SERVICE
from ursa.policies.core.warnings import target_warnings

_ATTACHMENT = Attachment(top=(*PROXIES, MESH_GATEWAY))
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_MULTI_ZONE_SERVICE)
_DURATIONS = ("interval", "timeout", "initialJitter", "intervalJitter", "noTrafficInterval")
_THRESHOLDS = ("unhealthyThreshold", "healthyThreshold")


def kind() -> Kind:
    """Declares MeshHealthCheck."""
    return policy_kind(
        "MeshHealthCheck",
        short="mhc",
        path="meshhealthchecks",
        title="Mesh Health Check",
        titles="Mesh Health Checks",
        traits=PolicyTraits(has_to=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=lambda resource: (*target_warnings(resource), *_panic_warnings(resource)),
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_items(resource, "to", _DESTINATIONS, _check_conf)


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    yield from at_least_one_of(field, conf, ("http", "tcp", "grpc"))
    for name in _DURATIONS:
        yield from positive_duration(f"{field}.{name}", conf.get(name))
    for name in _THRESHOLDS:
        yield from positive_when_defined(f"{field}.{name}", conf.get(name))
    yield from in_range(f"{field}.intervalJitterPercent", conf.get("intervalJitterPercent"), 0, 100)
    yield from percentage(f"{field}.healthyPanicThreshold", conf.get("healthyPanicThreshold"))
    if "eventLogPath" in conf and not is_file_path(conf["eventLogPath"]):
        yield Violation(f"{field}.eventLogPath", "must be a valid path when defined")
    http = conf.get("http") or {}
    if http.get("path") == "":
        yield must_be_defined(f"{field}.http.path")
    for index, status in enumerate(http.get("expectedStatuses") or ()):
        yield from status_code(f"{field}.http.expectedStatuses[{index}]", status)


def _panic_warnings(resource: Resource) -> Sequence[str]:
    confs = (item.get("default") or {} for item in resource.spec.get("to") or ())
    if any("healthyPanicThreshold" in conf for conf in confs):
        return (
            "healthyPanicThreshold for MeshHealthCheck is deprecated, use MeshCircuitBreaker.outlierDetection."
            "healthyPanicThreshold instead",
        )
    return ()
