"""Metrics as MeshMetrics ask for them: listeners for those who get them, and what the launcher shall collect."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from ursa.ir import origins
from ursa.ir.address import Pipe, SocketAddress
from ursa.ir.cluster import STATIC, Cluster
from ursa.ir.listener import INBOUND, FilterChain, GrpcStats, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import Forward, Route, RouteMatch, VirtualHost
from ursa.ir.tls import DownstreamTls, FileCertificate
from ursa.model.dataplane import Dataplane
from ursa.model.json import Json, JsonObject
from ursa.model.prometheus import PATH, PORT
from ursa.planner import dns, names
from ursa.planner.blocks import reuse_port, technical_http, to
from ursa.planner.dynamic_config import dynamic_config
from ursa.planner.inputs import InboundInputs, ProxyFacts
from ursa.policies.core.collectors import OTLP_PORT, collector_cluster, host_and_port

METRICS_PATH = "/meshmetric"
REFRESH = "1m0s"
"""How often the launcher sends metrics where it is not said."""

_DEFAULT_CLIENT = "default-backend"
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


def plan_mesh_metrics(plan: ProxyPlan, inputs: InboundInputs) -> None:
    """Adds what the backends need, and tells the launcher; with it the names it answers, if it answers any."""
    if inputs.metrics is None:
        return
    facts, dataplane = inputs.facts, inputs.dataplane
    pipe = names.metrics_socket(facts.workdir, dataplane.name, inputs.mesh.name)
    plan.add(Cluster(names.MESH_METRICS_HIJACKER, STATIC, origins.OPEN_TELEMETRY, addresses=(Pipe(pipe),)))
    for backend in inputs.metrics["backends"]:
        if backend["type"] == "Prometheus":
            plan.add(_shown(backend["prometheus"], inputs))
        else:
            plan.add(*_sent(backend["openTelemetry"]["endpoint"], facts))
    bodies = {dns.PATH: inputs.dns_table} if inputs.dns_table else {}
    bodies[METRICS_PATH] = _body(inputs.metrics, dataplane, inputs.mesh.name, facts.workdir)
    plan.add(dynamic_config(bodies, facts.workdir, inputs.scheme, ipv6=facts.ipv6))


def _shown(conf: JsonObject, inputs: InboundInputs) -> Listener:
    """Where a Prometheus reads."""
    name = f"{names.MESH_METRICS}:{conf.get('clientId') or _DEFAULT_CLIENT}"
    forward = Forward(to(names.MESH_METRICS_HIJACKER), prefix_rewrite=METRICS_PATH)
    host = VirtualHost(name, [Route(RouteMatch(conf.get("path") or PATH), forward)])
    chain = FilterChain([technical_http(stat_safe(name), host, ipv6=inputs.facts.ipv6)])
    if (conf.get("tls") or {}).get("mode") == "ProvidedTLS":
        chain.tls = _certificate(inputs.facts)
    return Listener(
        name,
        SocketAddress(inputs.dataplane.address, int(conf.get("port") or PORT)),
        origins.PROMETHEUS,
        [chain],
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
    )


def _certificate(facts: ProxyFacts) -> DownstreamTls | None:
    if not (facts.metrics_cert and facts.metrics_key):
        return None
    return DownstreamTls(FileCertificate(facts.metrics_cert, facts.metrics_key), require_client_certificate=False)


def _sent(endpoint: str, facts: ProxyFacts) -> tuple[Listener, Cluster]:
    """Where the launcher sends what is for a collector, and the collector."""
    name = f"{names.MESH_METRICS_COLLECTOR}:{_plain(endpoint)}"
    host = VirtualHost(name, [Route(RouteMatch("/"), Forward(to(name)))])
    manager = technical_http(stat_safe(name), host, ipv6=facts.ipv6)
    manager.before_router(GrpcStats())
    socket = Pipe(names.collector_socket(facts.workdir, _plain(endpoint)))
    address, port = host_and_port(endpoint, OTLP_PORT)
    cluster = collector_cluster(name, address, port, origins.OPEN_TELEMETRY, http2=True)
    return Listener(name, socket, origins.OPEN_TELEMETRY, [FilterChain([manager])]), cluster


def _plain(endpoint: str) -> str:
    return endpoint.replace(":", "-")


def _body(conf: JsonObject, dataplane: Dataplane, mesh: str, workdir: str) -> str:
    metrics: dict[str, Json] = {
        "applications": [_application(one) for one in conf.get("applications") or ()] or None,
        "backends": list(_backends(conf, workdir)),
    }
    if (sidecar := conf.get("sidecar")) is not None:
        metrics["sidecar"] = _sidecar(sidecar)
    metrics["extraLabels"] = _labels(dataplane, mesh)
    return orjson.dumps({"observability": {"metrics": metrics}}).decode()


def _sidecar(conf: JsonObject) -> JsonObject:
    if (profiles := conf.get("profiles")) is None:
        return conf
    lists = {name: profiles.get(name) or [] for name in ("appendProfiles", "exclude", "include")}
    return {**conf, "profiles": lists}


def _application(conf: JsonObject) -> JsonObject:
    return {
        "name": conf.get("name"),
        "path": conf.get("path") or PATH,
        "port": conf["port"],
        "address": conf.get("address") or "",
    }


def _backends(conf: JsonObject, workdir: str) -> Iterator[JsonObject]:
    """One entry for all that read, whose listeners differ, and one for each collector."""
    if any(backend["type"] == "Prometheus" for backend in conf["backends"]):
        yield {"type": "Prometheus", "name": None}
    for backend in conf["backends"]:
        if backend["type"] == "OpenTelemetry":
            sent = backend["openTelemetry"]
            name = _plain(sent["endpoint"])
            where = {
                "endpoint": names.collector_socket(workdir, name),
                "refreshInterval": sent.get("refreshInterval") or REFRESH,
            }
            yield {"type": "OpenTelemetry", "name": name, "openTelemetry": where}


def _labels(dataplane: Dataplane, mesh: str) -> dict[str, str]:
    """The proxy as dashboards know it: every tag with its first value, and in the plural with all of them."""
    labels = {"mesh": mesh, "dataplane": dataplane.name, "service": dataplane.identifying_service}
    for key, values in dataplane.all_tags.items():
        name = sanitised(key)
        labels |= {name: values[0], f"{name}s": f",{','.join(values)},"}
    return labels


def sanitised(tag: str) -> str:
    """The label that a tag becomes."""
    return _UNSAFE.sub("_", tag)
