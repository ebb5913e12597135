"""MeshTrace: spans of all requests that pass a proxy (`spec` §3.12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ursa.ir import origins
from ursa.ir.tracing import Datadog, OpenTelemetry, Provider, Sampling, SpanTag, Tracing
from ursa.model.json import JsonObject
from ursa.policies.core.collectors import OTLP_PORT, host_and_port
from ursa.policies.core.policy import Policy, effective_default
from ursa.policies.core.tracers import Collector, Tracer, zipkin
from ursa.policies.plugin import PolicyPlugin

KIND = "MeshTrace"
_ZIPKIN_VERSIONS = {"httpJson": "HTTP_JSON", "httpProto": "HTTP_PROTO"}
_DATADOG_PORT = 8126


class MeshTracePlugin(PolicyPlugin):
    """Has the policies matched; they are for the proxy as a whole, and the planner asks `decide` for what they say."""

    kind = KIND


@dataclass(frozen=True, slots=True)
class Decision:
    """What MeshTraces decide: how to trace, or not to."""

    tracer: Tracer | None


def decide(policies: Iterable[Policy], service: str) -> Decision | None:
    """What the policies of a proxy decide, in ascending strength; None leaves it to TrafficTraces."""
    found = effective_default(policies)
    if found is None or "backends" not in found.conf:
        return None
    backends = found.conf["backends"]
    if not backends:
        return Decision(None)
    provider, collector, split = _backend(backends[0], service)
    sampling: JsonObject = found.conf.get("sampling") or {}
    shares = Sampling(*(_share(sampling.get(name)) for name in ("client", "random", "overall")))
    tags = tuple(map(_tag, found.conf.get("tags") or ()))
    return Decision(Tracer(Tracing(provider, shares, tags), collector, split))


def _backend(backend: JsonObject, service: str) -> tuple[Provider, Collector, bool]:
    match backend["type"]:
        case "Zipkin":
            conf = backend["zipkin"]
            provider, collector = zipkin(
                "meshtrace:zipkin",
                origins.MESH_TRACE,
                conf["url"],
                version=_ZIPKIN_VERSIONS[conf.get("apiVersion") or "httpJson"],
                long_ids=bool(conf.get("traceId128bit")),
                shared=conf.get("sharedSpanContext", True),
            )
            return provider, collector, False
        case "Datadog":
            conf, name = backend["datadog"], "meshtrace:datadog"
            url = urlsplit(conf["url"])
            agent = Collector(name, url.hostname or "", url.port or _DATADOG_PORT, origins.MESH_TRACE)
            return Datadog(name, service), agent, bool(conf.get("splitService"))
        case _:
            name = "meshtrace:opentelemetry"
            host, port = host_and_port(backend["openTelemetry"]["endpoint"], OTLP_PORT)
            return OpenTelemetry(name, service), Collector(name, host, port, origins.MESH_TRACE, http2=True), False


def _tag(conf: JsonObject) -> SpanTag:
    header: JsonObject | None = conf.get("header")
    if header is None:
        return SpanTag(conf["name"], conf.get("literal") or "")
    return SpanTag(conf["name"], header.get("default") or "", header["name"])


def _share(value: int | str | None) -> float | None:
    return None if value is None else float(value)
