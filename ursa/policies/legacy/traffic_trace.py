"""TrafficTrace: spans of the requests that pass a proxy, reported to a backend of the mesh (`spec` §3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.ir import origins
from ursa.ir.tracing import Datadog, Sampling, Tracing
from ursa.model.mesh import Mesh, TraceBackend
from ursa.policies.core.tracers import Collector, Tracer, zipkin
from ursa.policies.legacy.matching import Tags, for_proxy
from ursa.policies.legacy.places import Policies

KIND = "TrafficTrace"
# The first version of the API is long gone; what asks for it gets the second.
_ZIPKIN_VERSIONS = {"httpJsonV1": "HTTP_JSON", "httpJson": "HTTP_JSON", "httpProto": "HTTP_PROTO"}


def traffic_tracer(policies: Policies, mesh: Mesh, source: Sequence[Tags], service: str) -> Tracer | None:
    """How a proxy with these tag sets traces, None without a policy or without a backend of that name."""
    policy = for_proxy(policies.get(KIND, ()), source)
    backend = None if policy is None else mesh.trace_backend(policy.resource.spec.get("conf", {}).get("backend", ""))
    return None if backend is None else _tracer(backend, service)


def _tracer(backend: TraceBackend, service: str) -> Tracer:
    name, conf = f"tracing:{backend.name}", backend.conf
    sampling = Sampling(overall=backend.sampling)
    if backend.type == "datadog":
        agent = Collector(name, conf.get("address", ""), int(conf.get("port", 0)), origins.TRACING)
        return Tracer(Tracing(Datadog(name, service), sampling), agent, bool(conf.get("splitService")))
    provider, collector = zipkin(
        name,
        origins.TRACING,
        conf.get("url", ""),
        version=_ZIPKIN_VERSIONS[conf.get("apiVersion") or "httpJson"],
        long_ids=bool(conf.get("traceId128bit")),
        shared=conf.get("sharedSpanContext"),
    )
    return Tracer(Tracing(provider, sampling), collector)
