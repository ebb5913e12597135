"""What is written down of traffic, by policies of both generations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog as AccessLogMessage
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from envoy.extensions.access_loggers.open_telemetry.v3.logs_service_pb2 import OpenTelemetryAccessLogConfig
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.json_format import MessageToDict

from tests.unit.policies.building import SPEAKER, connection_policy, inbound, mesh, outbound, policy, rules_of
from ursa.envoy.access_logs import access_log
from ursa.ir.access_logs import AccessLog, CollectorLog, FileLog
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import STATIC, STRICT_DNS
from ursa.ir.listener import Listener
from ursa.model.mesh import Mesh
from ursa.policies.core.collectors import Collectors, host_and_port
from ursa.policies.core.log_formats import Conversation, logging
from ursa.policies.legacy.traffic_log import log_traffic
from ursa.policies.mesh_access_log.effect import MeshAccessLogPlugin

EVERYTHING = "%KUMA_SOURCE_SERVICE%>%KUMA_DESTINATION_SERVICE% %KUMA_MESH% %KUMA_TRAFFIC_DIRECTION%"
BOTH = [
    {"name": "file", "type": "file", "conf": {"path": "/tmp/log"}},
    {"name": "tcp", "type": "tcp", "format": "%KUMA_MESH%", "conf": {"address": "10.0.0.9:5000"}},
]


def sinks(listener: Listener) -> list[Any]:
    return [log.sink for _, logs in logging(listener) for log in logs]


def plain(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "File", "file": {"path": "/tmp/log", "format": {"type": "Plain", "plain": text, **more}}}


def sent(*backends: Any, protocol: str = "http") -> list[Any]:
    """What an outbound logs."""
    target = outbound(protocol)
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"backends": list(backends)}}]
    MeshAccessLogPlugin().outbound(target, rules_of(policy("MeshAccessLog", to=to)))
    return sinks(target.listener)


def received(*backends: Any, protocol: str = "http") -> list[Any]:
    """What an inbound logs."""
    target = inbound(protocol)
    rules = [{"default": {"backends": list(backends)}}]
    MeshAccessLogPlugin().inbound(target, (policy("MeshAccessLog", rules=rules),))
    return sinks(target.listener)


def test_both_ends_say_who_talks_to_whom_as_far_as_they_know() -> None:
    assert received(plain(EVERYTHING)) == [FileLog("/tmp/log", "unknown>web default INBOUND\n")]
    assert sent(plain(EVERYTHING)) == [FileLog("/tmp/log", "web>backend default OUTBOUND\n")]


@pytest.mark.parametrize(
    ("protocol", "start"), [("http", '[%START_TIME%] default "%REQ'), ("tcp", "[%START_TIME%] %R")]
)
def test_the_format_follows_the_protocol_where_none_is_given(protocol: str, start: str) -> None:
    (sink,) = sent({"type": "File", "file": {"path": "/tmp/log"}}, protocol=protocol)
    assert sink.text.startswith(start)
    assert "KUMA" not in sink.text


def test_objects_keep_their_keys_and_may_leave_out_what_is_empty() -> None:
    form = {"type": "Json", "json": [{"key": "%KUMA_MESH%", "value": "%KUMA_SOURCE_SERVICE%"}], "omitEmptyValues": True}
    (sink,) = sent({"type": "File", "file": {"path": "/tmp/log", "format": form}})
    assert sink == FileLog("/tmp/log", json=(("default", "web"),), omit_empty=True)


def test_collectors_over_tcp_are_served_by_the_launcher() -> None:
    (sink,) = sent({"type": "Tcp", "tcp": {"address": "a:1", "format": {"type": "Plain", "plain": "x"}}})
    assert sink == FileLog(SPEAKER.log_pipe, json=(("address", "a:1"), ("message", "x\n")))


def test_collectors_have_one_cluster_per_address_in_both_halves() -> None:
    book = Collectors("meshaccesslog", ["first:4317"])
    names = [book.name(endpoint) for endpoint in ("second", "first:4317", "10.0.0.1:5", "second")]
    assert names == [f"meshaccesslog:opentelemetry:{n}" for n in (1, 0, 2, 1)]
    assert [(cluster.name, cluster.type, cluster.addresses) for cluster in book.clusters] == [
        (names[0], STRICT_DNS, (SocketAddress("second", 4317),)),
        (names[2], STATIC, (SocketAddress("10.0.0.1", 5),)),
    ]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [("a", ("a", 1)), ("a:2", ("a", 2)), ("[::1]:2", ("::1", 2)), ("::1", ("::1", 1)), ("[::1]", ("::1", 1))],
)
def test_addresses_may_lack_a_port(endpoint: str, expected: tuple[str, int]) -> None:
    assert host_and_port(endpoint, 1) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("%KUMA_SOURCE_SERVICE%", {"stringValue": "web"}),
        ({"kvlistValue": {"values": []}}, {"kvlistValue": {}}),
        ({"nonsense": 1}, {"stringValue": json.dumps({"nonsense": 1})}),
    ],
)
def test_the_body_of_a_record_is_a_value_or_a_text(body: Any, expected: Any) -> None:
    attributes = [{"key": "k", "value": "%KUMA_DESTINATION_SERVICE%"}]
    otel = {"endpoint": "c", "body": body, "attributes": attributes}
    (sink,) = sent({"type": "OpenTelemetry", "openTelemetry": otel})
    assert isinstance(sink, CollectorLog)
    assert sink.attributes == (("k", "backend"),)
    config = OpenTelemetryAccessLogConfig()
    Packed(**access_log(AccessLog(sink))["typed_config"]).Unpack(config)
    assert MessageToDict(config.body) == expected


def test_objects_reach_envoy_with_their_own_keys() -> None:
    config = FileAccessLog()
    line = (("address", "a:1"), ("message", (("k", "v"),)))
    Packed(**access_log(AccessLog(FileLog("/tmp/log", json=line)))["typed_config"]).Unpack(config)
    assert MessageToDict(config.log_format.json_format) == {"address": "a:1", "message": {"k": "v"}}


def test_logs_of_routes_are_only_for_their_requests() -> None:
    sink = FileLog("/tmp/log", "x")
    rest, own = (AccessLogMessage(**access_log(AccessLog(sink, route))) for route in ("", "kri_x"))
    assert rest.filter.metadata_filter.match_if_key_not_found.value
    assert not own.filter.metadata_filter.match_if_key_not_found.value
    assert own.filter.metadata_filter.matcher.value.string_match.exact == "kri_x"


def with_default(backend: str) -> Mesh:
    return mesh(logging={"defaultBackend": backend, "backends": BOTH})


@pytest.mark.parametrize(
    ("backend", "default", "expected"),
    [
        ("tcp", "file", FileLog(SPEAKER.log_pipe, "10.0.0.9:5000;default\n")),
        ("", "tcp", FileLog(SPEAKER.log_pipe, "10.0.0.9:5000;default\n")),
        ("", "", None),
        ("unknown", "file", None),
    ],
)
def test_the_older_log_goes_to_a_backend_of_the_mesh(backend: str, default: str, expected: FileLog | None) -> None:
    target = outbound("tcp")
    log = connection_policy("TrafficLog", {"backend": backend})
    log_traffic(target.listener, log, with_default(default), speaker=SPEAKER, destination="backend")
    assert sinks(target.listener) == ([] if expected is None else [expected])


def test_the_older_log_stands_before_the_newer() -> None:
    target = outbound()
    log_traffic(
        target.listener, connection_policy("TrafficLog", {}), with_default("file"), speaker=SPEAKER, destination="b"
    )
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"backends": [plain("new")]}}]
    MeshAccessLogPlugin().outbound(target, rules_of(policy("MeshAccessLog", to=to)))
    old, new = sinks(target.listener)
    assert (new.text, old.path) == ("new\n", "/tmp/log")


def test_addresses_of_the_source_come_with_and_without_a_port() -> None:
    talk = Conversation(SPEAKER, "a", "b", "OUTBOUND")
    assert talk.fill("%KUMA_SOURCE_ADDRESS% %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%") == "10.0.0.1:0 10.0.0.1"
