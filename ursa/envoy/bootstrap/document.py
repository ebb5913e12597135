"""The document as a whole: what every proxy gets, in the order in which Envoy uses it."""

from __future__ import annotations

from ursa.envoy.bootstrap import connection, gateway, node
from ursa.envoy.bootstrap.inputs import BootstrapInputs, Document

STATS_TAGS = (
    ("name", r"^grpc\.((.+)\.)"),
    ("status", r"^grpc.*streams_closed(_([0-9]+))"),
    ("kafka_name", r"^kafka(\.(\S*[0-9]))\."),
    ("kafka_type", r"^kafka\..*\.(.*?(?=_duration|$))"),
    ("worker", r"(worker_([0-9]+)\.)"),
    ("listener", r"((.+?)\.)rbac\."),
)
"""How Envoy cuts labels out of statistics' names; dashboards rely on them."""

REGEX_LIMITS = {"re2.max_program_size.error_level": 4294967295, "re2.max_program_size.warn_level": 1000}
"""Regular expressions in policies may be large: warn early, never refuse."""


def bootstrap_document(inputs: BootstrapInputs) -> Document:
    """Envoy's bootstrap as plain data."""
    document: Document = {
        "node": node.node(inputs),
        "layeredRuntime": {"layers": [{"name": "kuma", "staticLayer": dict(REGEX_LIMITS)}]},
        "defaultRegexEngine": {
            "name": "envoy.regex_engines.google_re2",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.regex_engines.v3.GoogleRE2"},
        },
        "statsConfig": {"statsTags": [{"tagName": name, "regex": regex} for name, regex in STATS_TAGS]},
        "dynamicResources": {
            "adsConfig": connection.api_source(inputs, delta=inputs.control_plane.delta),
            "cdsConfig": _aggregated(),
            "ldsConfig": _aggregated(),
        },
        "staticResources": {"clusters": connection.clusters(inputs), "secrets": connection.secrets(inputs)},
    }
    if inputs.admin_port:
        document["admin"] = _admin(inputs)
    if inputs.health_discovery:
        document["hdsConfig"] = connection.api_source(inputs, delta=False)
    if inputs.builtin_gateway:
        document["layeredRuntime"] = {
            "layers": [{"name": "kuma", "staticLayer": dict(REGEX_LIMITS)}, gateway.runtime_layer()]
        }
        document["overloadManager"] = gateway.overload_manager(inputs)
    return document


def _aggregated() -> Document:
    return {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}


def _admin(inputs: BootstrapInputs) -> Document:
    return {
        "accessLog": [
            {
                "name": "envoy.access_loggers.file",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": inputs.admin_access_log,
                },
            }
        ],
        "address": connection.socket_address(inputs.admin_address, inputs.admin_port),
    }
