"""Tracing."""

from __future__ import annotations

from envoy.config.trace.v3.datadog_pb2 import DatadogConfig
from envoy.config.trace.v3.opentelemetry_pb2 import OpenTelemetryConfig
from envoy.config.trace.v3.zipkin_pb2 import ZipkinConfig

from ursa.envoy.values import Fields, optional_wrapped, packed, present, wrapped
from ursa.ir import tracing as ir


def tracing(of: ir.Tracing) -> Fields:
    """`HttpConnectionManager.Tracing`."""
    sampling = of.sampling
    return present(
        provider=_provider(of.provider),
        spawn_upstream_span=wrapped(of.upstream_spans),
        client_sampling=optional_wrapped(sampling.client),
        random_sampling=optional_wrapped(sampling.random),
        overall_sampling=optional_wrapped(sampling.overall),
        custom_tags=[_tag(tag) for tag in of.tags],
    )


def _tag(of: ir.SpanTag) -> Fields:
    if of.header:
        return {"tag": of.name, "request_header": {"name": of.header, "default_value": of.value}}
    return {"tag": of.name, "literal": {"value": of.value}}


def _provider(of: ir.Provider) -> Fields:
    match of:
        case ir.Zipkin():
            fields = present(
                collector_cluster=of.cluster,
                collector_endpoint=of.path,
                collector_hostname=of.hostname,
                collector_endpoint_version=of.version,
                trace_id_128bit=of.long_ids,
                shared_span_context=optional_wrapped(of.shared_context),
                split_spans_for_request=of.split_spans,
            )
            return {"name": "envoy.tracers.zipkin", "typed_config": packed(ZipkinConfig(**fields))}
        case ir.Datadog(cluster, service):
            datadog = DatadogConfig(collector_cluster=cluster, service_name=service)
            return {"name": "envoy.tracers.datadog", "typed_config": packed(datadog)}
        case ir.OpenTelemetry(cluster, service):
            grpc: Fields = {"envoy_grpc": {"cluster_name": cluster}}
            otel = OpenTelemetryConfig(grpc_service=grpc, service_name=service)
            return {"name": "envoy.tracers.opentelemetry", "typed_config": packed(otel)}
