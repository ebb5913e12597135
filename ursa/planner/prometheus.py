"""Metrics as a Mesh asks for them: a listener that leads to the launcher, which adds those of applications."""

from __future__ import annotations

from ursa.ir import origins
from ursa.ir.address import Pipe, SocketAddress
from ursa.ir.cluster import STATIC, Cluster
from ursa.ir.listener import INBOUND, ChainMatch, FilterChain, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import Forward, Route, RouteMatch, VirtualHost
from ursa.ir.tls import DownstreamTls, FileCertificate
from ursa.model.prometheus import ACTIVE_MTLS, PROVIDED_TLS, Prometheus, prometheus_of
from ursa.planner import names
from ursa.planner.blocks import mesh_server_tls, reuse_port, technical_http, to
from ursa.planner.inputs import InboundInputs, ProxyFacts


def plan_prometheus(plan: ProxyPlan, inputs: InboundInputs) -> None:
    """Adds the listener, unless MeshMetrics say otherwise or an inbound or outbound has its port already."""
    conf = prometheus_of(inputs.mesh.metrics, inputs.dataplane.metrics) if inputs.metrics is None else None
    if conf is None or not inputs.facts.admin_port or _taken(conf.port, inputs):
        return
    pipe = names.metrics_socket(inputs.facts.workdir, inputs.dataplane.name, inputs.mesh.name)
    plan.add(Cluster(names.METRICS_HIJACKER, STATIC, origins.PROMETHEUS, addresses=(Pipe(pipe),)))
    plan.add(
        Listener(
            names.METRICS,
            SocketAddress(inputs.dataplane.address, conf.port),
            origins.PROMETHEUS,
            _chains(plan, conf, inputs),
            direction=INBOUND,
            reuse_port=reuse_port(inputs.facts),
        )
    )


def _chains(plan: ProxyPlan, conf: Prometheus, inputs: InboundInputs) -> list[FilterChain]:
    mesh, facts = inputs.mesh, inputs.facts
    if conf.tls == ACTIVE_MTLS and mesh.mtls:
        plan.identities.add(mesh.name)
        plan.authorities.add(mesh.name)
        # A proxy may look at itself, which has no sidecar in between.
        itself = ChainMatch(source=inputs.dataplane.address)
        secured = mesh_server_tls(mesh.name)
        return [_chain(conf, facts, match=itself), _chain(conf, facts, tls=secured)]
    if conf.tls == PROVIDED_TLS and facts.metrics_cert and facts.metrics_key:
        certificate = FileCertificate(facts.metrics_cert, facts.metrics_key)
        return [_chain(conf, facts, tls=DownstreamTls(certificate, require_client_certificate=False))]
    return [_chain(conf, facts)]


def _chain(
    conf: Prometheus, facts: ProxyFacts, *, match: ChainMatch | None = None, tls: DownstreamTls | None = None
) -> FilterChain:
    forward = Forward(to(names.METRICS_HIJACKER), prefix_rewrite=f"/{conf.query}")
    host = VirtualHost(names.METRICS, [Route(RouteMatch(conf.path), forward)])
    return FilterChain([technical_http(stat_safe(names.METRICS), host, ipv6=facts.ipv6)], match=match, tls=tls)


def _taken(port: int, inputs: InboundInputs) -> bool:
    dataplane = inputs.dataplane
    used = [(i.address, i.port) for i in dataplane.inbounds] + [(o.address, o.port) for o in dataplane.outbounds]
    return (dataplane.address, port) in used
