"""Source/destination policies of the older generation, and external services, which come from the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.errors import Violation
from ursa.model import columns
from ursa.model.codec import ProtoSpec
from ursa.model.kind import Column, Family, Kind, Scope, Sync, Writable
from ursa.model.notices import Warn, with_notice
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
    effect_built: bool = False,
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
        warnings=warnings if effect_built else with_notice(name, warnings),
        columns=shown,
        cli=cli,
        singular=title,
        plural=titles or title + "s",
        effect_built=effect_built,
    )


_SERVICES = connection_policy(source_service=True, destination_only_service=True)

KINDS = (
    _legacy(
        "CircuitBreaker", "circuit-breakers", ("circuit-breaker", "circuit-breakers"), "Circuit Breaker",
        circuit_breaker_violations, effect_built=True,
    ),
    _legacy(
        "FaultInjection", "fault-injections", ("fault-injection", "fault-injections"), "Fault Injection",
        fault_injection_violations, warnings=fault_injection_warnings, effect_built=True,
    ),
    _legacy(
        "HealthCheck", "health-checks", ("healthcheck", "healthchecks"), "Health Check",
        health_check_violations, effect_built=True,
    ),
    _legacy(
        "RateLimit", "rate-limits", ("rate-limit", "rate-limits"), "Rate Limit",
        rate_limit_violations, warnings=rate_limit_warnings, effect_built=True,
    ),
    _legacy("Retry", "retries", ("retry", "retries"), "Retry", retry_violations, titles="Retries", effect_built=True),
    _legacy("Timeout", "timeouts", ("timeout", "timeouts"), "Timeout", timeout_violations, effect_built=True),
    _legacy("TrafficLog", "traffic-logs", ("traffic-log", "traffic-logs"), "Traffic Log", _SERVICES, effect_built=True),
    _legacy(
        "TrafficPermission", "traffic-permissions", ("traffic-permission", "traffic-permissions"),
        "Traffic Permission", connection_policy(), effect_built=True,
    ),
    _legacy(
        "TrafficRoute", "traffic-routes", ("traffic-route", "traffic-routes"), "Traffic Route",
        traffic_route_violations, effect_built=True,
    ),
    _legacy(
        "TrafficTrace", "traffic-traces", ("traffic-trace", "traffic-traces"), "Traffic Trace",
        dataplane_policy(), effect_built=True,
    ),
    _legacy(
        "ProxyTemplate", "proxytemplates", ("proxytemplate", "proxytemplates"), "Proxy Template",
        proxy_template_violations, effect_built=True,
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
