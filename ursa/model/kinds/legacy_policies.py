"""Source/destination policies of the older generation, and external services, which come from the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.errors import Violation
from ursa.model import columns
from ursa.model.codec import ProtoSpec
from ursa.model.kind import Column, Family, Kind, Scope, Sync, Writable
from ursa.model.resource import Resource
from ursa.model.validation.legacy.circuit_breaker import circuit_breaker_violations
from ursa.model.validation.legacy.external_service import external_service_violations
from ursa.model.validation.legacy.fault_injection import fault_injection_violations, fault_injection_warnings
from ursa.model.validation.legacy.health_check import health_check_violations
from ursa.model.validation.legacy.proxy_template import proxy_template_violations
from ursa.model.validation.legacy.rate_limit import rate_limit_violations, rate_limit_warnings
from ursa.model.validation.legacy.retry import retry_violations
from ursa.model.validation.legacy.timeout import timeout_violations
from ursa.model.validation.legacy.traffic_route import traffic_route_violations
from ursa.model.validation.legacy.virtual_outbound import virtual_outbound_violations
from ursa.model.validation.selectors import connection_policy, dataplane_policy

Validate = Callable[[Resource], Sequence[Violation]]
Warn = Callable[[Resource], Sequence[str]]


def _silent(_: Resource) -> Sequence[str]:
    return ()


def _legacy(
    name: str,
    path: str,
    cli: tuple[str, str],
    title: str,
    validate: Validate,
    *,
    family: Family = Family.LEGACY_POLICY,
    titles: str = "",
    warnings: Warn = _silent,
    shown: tuple[Column, ...] = (),
) -> Kind:
    return Kind(
        name=name,
        path=path,
        scope=Scope.MESH,
        codec=ProtoSpec("mesh_pb2", name),
        family=family,
        sync=Sync.DOWN,
        writable=Writable.ZONE | Writable.GLOBAL,
        validate=validate,
        warnings=warnings,
        columns=shown,
        cli=cli,
        singular=title,
        plural=titles or title + "s",
    )


_SERVICES = connection_policy(source_service=True, destination_only_service=True)

KINDS = (
    _legacy(
        "CircuitBreaker", "circuit-breakers", ("circuit-breaker", "circuit-breakers"), "Circuit Breaker",
        circuit_breaker_violations,
    ),
    _legacy(
        "FaultInjection", "fault-injections", ("fault-injection", "fault-injections"), "Fault Injection",
        fault_injection_violations, warnings=fault_injection_warnings,
    ),
    _legacy(
        "HealthCheck", "health-checks", ("healthcheck", "healthchecks"), "Health Check",
        health_check_violations,
    ),
    _legacy(
        "RateLimit", "rate-limits", ("rate-limit", "rate-limits"), "Rate Limit",
        rate_limit_violations, warnings=rate_limit_warnings,
    ),
    _legacy("Retry", "retries", ("retry", "retries"), "Retry", retry_violations, titles="Retries"),
    _legacy("Timeout", "timeouts", ("timeout", "timeouts"), "Timeout", timeout_violations),
    _legacy("TrafficLog", "traffic-logs", ("traffic-log", "traffic-logs"), "Traffic Log", _SERVICES),
    _legacy(
        "TrafficPermission", "traffic-permissions", ("traffic-permission", "traffic-permissions"),
        "Traffic Permission", connection_policy(),
    ),
    _legacy(
        "TrafficRoute", "traffic-routes", ("traffic-route", "traffic-routes"), "Traffic Route",
        traffic_route_violations,
    ),
    _legacy(
        "TrafficTrace", "traffic-traces", ("traffic-trace", "traffic-traces"), "Traffic Trace",
        dataplane_policy(),
    ),
    _legacy(
        "ProxyTemplate", "proxytemplates", ("proxytemplate", "proxytemplates"), "Proxy Template",
        proxy_template_violations,
    ),
    _legacy(
        "VirtualOutbound", "virtual-outbounds", ("virtual-outbound", "virtual-outbounds"), "Virtual Outbound",
        virtual_outbound_violations,
    ),
    _legacy(
        "ExternalService", "external-services", ("external-service", "external-services"), "External Service",
        external_service_violations, family=Family.RESOURCE, shown=columns.EXTERNAL_SERVICE,
    ),
)  # fmt: skip
