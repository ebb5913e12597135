"""Access to a proxy's admin interface: `/ready` for everybody, the rest for the control plane's certificate only."""

from __future__ import annotations

from ursa.errors import BadRequest
from ursa.ir import origins
from ursa.ir.address import Address, Pipe, SocketAddress
from ursa.ir.cluster import STATIC, Cluster
from ursa.ir.listener import INBOUND, ChainMatch, FilterChain, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import Forward, Route, RouteMatch, VirtualHost
from ursa.planner import names
from ursa.planner.blocks import reuse_port, technical_http, to
from ursa.planner.inputs import FEATURE_READINESS_UNIX_SOCKET, AdminInputs, ProxyFacts

_LOOPBACK = {"": "127.0.0.1", "127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::1": "::1", "::": "::1"}


def plan_admin(plan: ProxyPlan, inputs: AdminInputs) -> None:
    """Adds admin and readiness clusters, and the listener through which they are reached from outside.

    Raises:
        BadRequest: the metadata names an admin address that is not local.
    """
    facts = inputs.facts
    if not facts.admin_port:
        return
    address = _LOOPBACK.get(facts.admin_address)
    if address is None:
        raise BadRequest(f"envoy admin cluster is not allowed to have addresses other than {', '.join(_LOOPBACK)[2:]}")
    admin = SocketAddress(address, facts.admin_port)
    plan.add(
        Cluster(inputs.scheme.admin, STATIC, origins.ADMIN, addresses=(admin,)),
        Cluster(inputs.scheme.readiness, STATIC, origins.ADMIN, addresses=(_readiness(facts, address),)),
    )
    if inputs.address != address and inputs.tls is not None:
        plan.add(_listener(inputs))


def _readiness(facts: ProxyFacts, address: str) -> Address:
    if facts.has(FEATURE_READINESS_UNIX_SOCKET):
        return Pipe(names.readiness_socket(facts.workdir))
    return SocketAddress(address, facts.readiness_port)


def _listener(inputs: AdminInputs) -> Listener:
    stat_prefix = stat_safe(inputs.scheme.admin)
    ready = Route(RouteMatch("/ready"), Forward(to(inputs.scheme.readiness), prefix_rewrite="/ready"))
    rest = Route(RouteMatch("/"), Forward(to(inputs.scheme.admin), prefix_rewrite="/"))
    managers = [
        technical_http(stat_prefix, VirtualHost(inputs.scheme.admin, routes), ipv6=inputs.facts.ipv6)
        for routes in ([ready], [ready, rest])
    ]
    open_chain = FilterChain([managers[0]])
    secured = FilterChain(
        [managers[1]],
        match=ChainMatch(transport_protocol="tls"),
        tls=inputs.tls,
    )
    return Listener(
        inputs.scheme.admin,
        SocketAddress(inputs.address, inputs.facts.admin_port),
        origins.ADMIN,
        [open_chain, secured],
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
        tls_inspector=True,
    )
