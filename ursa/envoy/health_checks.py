"""Active health checks."""

from __future__ import annotations

from envoy.extensions.health_check.event_sinks.file.v3.file_pb2 import HealthCheckEventFileSink

from ursa.envoy.headers import header_value
from ursa.envoy.values import Fields, duration, optional_duration, optional_wrapped, packed, present, wrapped
from ursa.ir import health_checks as ir


def health_check(of: ir.HealthCheck) -> Fields:
    """`envoy.config.core.v3.HealthCheck`."""
    fields = present(
        interval=duration(of.interval),
        timeout=duration(of.timeout),
        unhealthy_threshold=wrapped(of.unhealthy),
        healthy_threshold=wrapped(of.healthy),
        initial_jitter=optional_duration(of.initial_jitter),
        interval_jitter=optional_duration(of.interval_jitter),
        interval_jitter_percent=of.jitter_percent,
        no_traffic_interval=optional_duration(of.no_traffic_interval),
        reuse_connection=optional_wrapped(of.reuse_connection),
        always_log_health_check_failures=of.always_log,
    )
    if of.log_by_sink:
        sink = packed(HealthCheckEventFileSink(event_log_path=of.log))
        fields["event_logger"] = [{"name": "envoy.health_check.event_sinks.file", "typed_config": sink}]
    else:
        fields["event_log_path"] = of.log
    return fields | _probe(of.probe)


def _probe(of: ir.Probe) -> Fields:
    match of:
        case ir.HttpProbe():
            http: Fields = {
                "path": of.path,
                "expected_statuses": [{"start": status, "end": status + 1} for status in of.statuses],
                "request_headers_to_add": [header_value(header) for header in of.headers],
            }
            if of.http2:
                http["codec_client_type"] = "HTTP2"
            return {"http_health_check": http}
        case ir.TcpProbe():
            tcp: Fields = {"receive": [_payload(text) for text in of.receive]}
            if of.send is not None:
                tcp["send"] = _payload(of.send)
            return {"tcp_health_check": tcp}
        case ir.GrpcProbe():
            return {"grpc_health_check": {"service_name": of.service, "authority": of.authority}}


def _payload(of: bytes) -> Fields:
    return {"text": of.hex()}
