"""HTTP at the edge of a mesh, where clients are strangers (`spec/xds.md` §7.2)."""

from __future__ import annotations

from envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip
from envoy.extensions.filters.http.compressor.v3.compressor_pb2 import Compressor as CompressorConfig

from ursa.envoy.values import Fields, packed, wrapped
from ursa.ir.listener import HttpConnectionManager

SERVER_NAME = "Kuma Gateway"
MAX_STREAMS = 100
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 16, 1 << 20

WITHOUT_UNDERSCORES: Fields = {"headers_with_underscores_action": "REJECT_REQUEST"}

_GZIP: Fields = {"name": "gzip", "typed_config": packed(Gzip())}

COMPRESSOR: Fields = {
    "name": "gzip-compress",
    "typed_config": packed(
        CompressorConfig(compressor_library=_GZIP, response_direction_config={"disable_on_etag_header": True})
    ),
}
"""The filter; what has an ETag stays as it is, because its bytes are what was tagged."""


def apart(of: HttpConnectionManager) -> Fields:
    """The fields of a connection manager whose routes are asked for by name, hardened against odd requests."""
    return {
        "rds": {
            "route_config_name": of.route_config.name,
            "config_source": {"ads": {}, "resource_api_version": "V3"},
        },
        "server_name": SERVER_NAME,
        "use_remote_address": wrapped(True),
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "http2_protocol_options": {
            "max_concurrent_streams": wrapped(MAX_STREAMS),
            "initial_stream_window_size": wrapped(STREAM_WINDOW),
            "initial_connection_window_size": wrapped(CONNECTION_WINDOW),
            "allow_connect": True,
        },
    }
