"""Access logs, and the filter that lets them tell routes apart."""

from __future__ import annotations

from contextlib import suppress

from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from envoy.extensions.access_loggers.open_telemetry.v3.logs_service_pb2 import OpenTelemetryAccessLogConfig
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from ursa.envoy.values import Fields, packed, string_struct, wrapped
from ursa.ir import access_logs as ir

LUA = "envoy.filters.http.lua"
ROUTE_KRI = "route_kri"
_NAMESPACE = "kuma.routes"
_TELL_ROUTE = f"""function envoy_on_request(handle)
  local meta = handle:metadata():get("{ROUTE_KRI}")
  if meta ~= nil then
    handle:streamInfo():dynamicMetadata():set("{_NAMESPACE}", "{ROUTE_KRI}", meta)
  end
end
"""

ROUTE_TELLER: Fields = {
    "name": LUA,
    "typed_config": packed(Lua(default_source_code={"inline_string": _TELL_ROUTE})),
}
"""Notes which route a request takes, where filters of logs can see it."""


def route_metadata(kri: str) -> Fields:
    """The metadata of a route that `ROUTE_TELLER` looks at."""
    return {"filter_metadata": {LUA: string_struct({ROUTE_KRI: kri})}}


def access_log(of: ir.AccessLog) -> Fields:
    """`envoy.config.accesslog.v3.AccessLog`."""
    if isinstance(of.sink, ir.FileLog):
        fields: Fields = {"name": "envoy.access_loggers.file", "typed_config": packed(_file(of.sink))}
    else:
        fields = {"name": "envoy.access_loggers.open_telemetry", "typed_config": packed(_collector(of.sink))}
    if of.route is not None:
        fields["filter"] = {"metadata_filter": _of_route(of.route)}
    return fields


def _of_route(kri: str) -> Fields:
    value: Fields = {"string_match": {"exact": kri}} if kri else {"null_match": {}}
    return {
        "matcher": {"filter": _NAMESPACE, "path": [{"key": ROUTE_KRI}], "value": value},
        "match_if_key_not_found": wrapped(not kri),
    }


def _file(of: ir.FileLog) -> FileAccessLog:
    form: Fields = {"text_format_source": {"inline_string": of.text}} if of.text else {"json_format": _struct(of.json)}
    form["omit_empty_values"] = of.omit_empty
    return FileAccessLog(path=of.path, log_format=form)


def _struct(line: ir.JsonLine) -> Struct:
    # A dict would be taken for the content of the struct here, not for its fields as elsewhere.
    struct = Struct()
    for key, value in line:
        if isinstance(value, str):
            struct[key] = value
        else:
            struct.fields[key].struct_value.CopyFrom(_struct(value))
    return struct


def _collector(of: ir.CollectorLog) -> OpenTelemetryAccessLogConfig:
    common = {
        "log_name": "MeshAccessLog",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": of.cluster}},
    }
    attributes = [{"key": key, "value": {"string_value": value}} for key, value in of.attributes]
    return OpenTelemetryAccessLogConfig(common_config=common, body=_body(of.body), attributes={"values": attributes})


def _body(text: str) -> Message:
    """`AnyValue`: text becomes a text, JSON of a value that value."""
    config = OpenTelemetryAccessLogConfig(body={"string_value": text})
    with suppress(ParseError):
        config = Parse(f'{{"body": {text}}}', OpenTelemetryAccessLogConfig())
    body: Message = config.body
    return body
