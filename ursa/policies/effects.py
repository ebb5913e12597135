"""What targetRef policies do to proxies. Building the effect of a policy means adding one line here."""

from __future__ import annotations

from ursa.policies.mesh_access_log.effect import MeshAccessLogPlugin
from ursa.policies.mesh_circuit_breaker.effect import MeshCircuitBreakerPlugin
from ursa.policies.mesh_fault_injection.effect import MeshFaultInjectionPlugin
from ursa.policies.mesh_health_check.effect import MeshHealthCheckPlugin
from ursa.policies.mesh_load_balancing_strategy.effect import MeshLoadBalancingStrategyPlugin
from ursa.policies.mesh_metric.effect import MeshMetricPlugin
from ursa.policies.mesh_passthrough.effect import MeshPassthroughPlugin
from ursa.policies.mesh_rate_limit.effect import MeshRateLimitPlugin
from ursa.policies.mesh_retry.effect import MeshRetryPlugin
from ursa.policies.mesh_timeout.effect import MeshTimeoutPlugin
from ursa.policies.mesh_tls.effect import MeshTLSPlugin
from ursa.policies.mesh_trace.effect import MeshTracePlugin
from ursa.policies.mesh_traffic_permission.effect import MeshTrafficPermissionPlugin
from ursa.policies.plugin import PolicyPlugin


def policy_plugins() -> tuple[PolicyPlugin, ...]:
    """The effects that are built, in the order in which they are applied (`spec/xds.md` §1.2)."""
    return (
        MeshTLSPlugin(),
        MeshLoadBalancingStrategyPlugin(),
        MeshPassthroughPlugin(),
        MeshAccessLogPlugin(),
        MeshTracePlugin(),
        MeshFaultInjectionPlugin(),
        MeshRateLimitPlugin(),
        MeshTimeoutPlugin(),
        MeshTrafficPermissionPlugin(),
        MeshHealthCheckPlugin(),
        MeshCircuitBreakerPlugin(),
        MeshRetryPlugin(),
        MeshMetricPlugin(),
    )
