"""All targetRef policies of this version. Adding a policy means adding its package and one line here.

What they do to proxies is listed apart, in `effects`, so that clients that only need the kinds load nothing else.
"""

from __future__ import annotations

from ursa.model.kind import Kind
from ursa.policies.mesh_access_log import kind as mesh_access_log
from ursa.policies.mesh_circuit_breaker import kind as mesh_circuit_breaker
from ursa.policies.mesh_fault_injection import kind as mesh_fault_injection
from ursa.policies.mesh_health_check import kind as mesh_health_check
from ursa.policies.mesh_http_route import kind as mesh_http_route
from ursa.policies.mesh_load_balancing_strategy import kind as mesh_load_balancing_strategy
from ursa.policies.mesh_metric import kind as mesh_metric
from ursa.policies.mesh_passthrough import kind as mesh_passthrough
from ursa.policies.mesh_proxy_patch import kind as mesh_proxy_patch
from ursa.policies.mesh_rate_limit import kind as mesh_rate_limit
from ursa.policies.mesh_retry import kind as mesh_retry
from ursa.policies.mesh_tcp_route import kind as mesh_tcp_route
from ursa.policies.mesh_timeout import kind as mesh_timeout
from ursa.policies.mesh_tls import kind as mesh_tls
from ursa.policies.mesh_trace import kind as mesh_trace
from ursa.policies.mesh_traffic_permission import kind as mesh_traffic_permission


def policy_kinds() -> tuple[Kind, ...]:
    """The sixteen targetRef policies, by name."""
    return (
        mesh_access_log.kind(),
        mesh_circuit_breaker.kind(),
        mesh_fault_injection.kind(),
        mesh_http_route.kind(),
        mesh_health_check.kind(),
        mesh_load_balancing_strategy.kind(),
        mesh_metric.kind(),
        mesh_passthrough.kind(),
        mesh_proxy_patch.kind(),
        mesh_rate_limit.kind(),
        mesh_retry.kind(),
        mesh_tcp_route.kind(),
        mesh_tls.kind(),
        mesh_timeout.kind(),
        mesh_trace.kind(),
        mesh_traffic_permission.kind(),
    )
