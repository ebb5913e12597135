"""Rules of the backends that a Mesh declares for logs, traces and metrics, and of what is in their `conf`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ursa.errors import BadRequest, Violation
from ursa.model.codec import ProtoSpec
from ursa.model.json import JsonObject
from ursa.model.validation.addresses import host_and_port, parse_url
from ursa.model.validation.fields import port
from ursa.model.validation.patterns import pattern_error
from ursa.model.validation.values import EMPTY, share


class Backend(NamedTuple):
    """A type of backends: the message its `conf` is, and the rules of that."""

    codec: ProtoSpec
    check: Callable[[str, JsonObject], Iterator[Violation]]


_ZIPKIN_VERSIONS = ("httpJsonV1", "httpJson", "httpProto")


def check_logging(logging: JsonObject) -> Iterator[Violation]:
    """Checks `logging`."""
    yield from _backends("logging", logging, "config", _LOGGING)
    yield from _chosen("logging", logging, "defaultBackend", "has to be set to one of the logging backend in mesh")


def check_tracing(tracing: JsonObject) -> Iterator[Violation]:
    """Checks `tracing`."""
    yield from _backends("tracing", tracing, "config", _TRACING)
    for index, backend in enumerate(tracing.get("backends", [])):
        yield from share(f"tracing.backends[{index}].sampling", backend.get("sampling"))
    yield from _chosen("tracing", tracing, "defaultBackend", "has to be set to one of the tracing backend in mesh")


def check_metrics(metrics: JsonObject) -> Iterator[Violation]:
    """Checks `metrics`."""
    yield from _backends("metrics", metrics, "conf", _METRICS)
    yield from _chosen("metrics", metrics, "enabledBackend", "has to be set to one of the backends in the mesh")


def _backends(part: str, spec: JsonObject, conf: str, kinds: Mapping[str, Backend]) -> Iterator[Violation]:
    names: set[str] = set()
    for index, backend in enumerate(spec.get("backends", [])):
        field, name, kind = f"{part}.backends[{index}]", backend.get("name", ""), backend.get("type", "")
        if not name:
            yield Violation(f"{field}.name", EMPTY)
        elif name in names:
            yield Violation(f"{field}.name", f'"{name}" name is already used for another backend')
        names.add(name)
        if kind in kinds:
            yield from _conf(f"{field}.{conf}", kinds[kind], backend.get("conf", {}))
        else:
            listed = ", ".join(f'"{known}"' for known in kinds)
            yield Violation(f"{field}.type", f"unknown backend type. Available backends: {listed}")


def _conf(field: str, kind: Backend, conf: JsonObject) -> Iterator[Violation]:
    try:
        typed = kind.codec.normalise(conf)
    except BadRequest as error:
        yield Violation(field, f"cannot be read: {error}")
    else:
        yield from kind.check(field, typed)


def _chosen(part: str, spec: JsonObject, name: str, reason: str) -> Iterator[Violation]:
    chosen = spec.get(name)
    if chosen and all(backend.get("name") != chosen for backend in spec.get("backends", [])):
        yield Violation(f"{part}.{name}", reason)


def _file(field: str, conf: JsonObject) -> Iterator[Violation]:
    if not conf.get("path"):
        yield Violation(f"{field}.path", EMPTY)


def _tcp(field: str, conf: JsonObject) -> Iterator[Violation]:
    address = conf.get("address", "")
    if not address:
        yield Violation(f"{field}.address", EMPTY)
    elif host_and_port(address) is None:
        yield Violation(f"{field}.address", "has to be in format of HOST:PORT")


def _zipkin(field: str, conf: JsonObject) -> Iterator[Violation]:
    url, version = conf.get("url", ""), conf.get("apiVersion")
    if not url:
        yield Violation(f"{field}.url", EMPTY)
    else:
        parsed = parse_url(url)
        if parsed is None:
            yield Violation(f"{field}.url", "invalid URL")
        elif not parsed.port:
            yield Violation(f"{field}.url", "port has to be explicitly specified")
    if version and version not in _ZIPKIN_VERSIONS:
        reason = f"has invalid value. Allowed values: {', '.join(_ZIPKIN_VERSIONS)}"
        yield Violation(f"{field}.apiVersion", reason)


def _datadog(field: str, conf: JsonObject) -> Iterator[Violation]:
    if not conf.get("address"):
        yield Violation(f"{field}.address", EMPTY)
    yield from port(f"{field}.port", conf.get("port"))


def _prometheus(field: str, conf: JsonObject) -> Iterator[Violation]:
    if "skipMTLS" in conf and "tls" in conf:
        yield Violation(field, "skipMTLS and tls configuration cannot be defined together")
    error = pattern_error(conf.get("envoy", {}).get("filterRegex", ""))
    if error:
        yield Violation(f"{field}.envoy.filterRegex", f"provided regexp isn't correct: {error}")
    seen: set[str] = set()
    for index, entry in enumerate(conf.get("aggregate", [])):
        name = entry.get("name", "")
        if name in seen:
            yield Violation(f"{field}.aggregate[{index}].name", f"duplicate entry: {name}, values have to be unique")
        seen.add(name)


_LOGGING = {
    "tcp": Backend(ProtoSpec("mesh_pb2", "TcpLoggingBackendConfig"), _tcp),
    "file": Backend(ProtoSpec("mesh_pb2", "FileLoggingBackendConfig"), _file),
}
_TRACING = {
    "zipkin": Backend(ProtoSpec("mesh_pb2", "ZipkinTracingBackendConfig"), _zipkin),
    "datadog": Backend(ProtoSpec("mesh_pb2", "DatadogTracingBackendConfig"), _datadog),
}
_METRICS = {"prometheus": Backend(ProtoSpec("mesh_pb2", "PrometheusMetricsBackendConfig"), _prometheus)}
