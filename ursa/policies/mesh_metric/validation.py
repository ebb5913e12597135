"""Rules of MeshMetric's conf. Two paths have a singular in them that the document has not: Kuma writes it so."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.validation.addresses import is_url
from ursa.model.validation.patterns import pattern_error
from ursa.policies.core.checks import must_be_defined, valid_port

_BODIES = {"Prometheus": "prometheus", "OpenTelemetry": "openTelemetry"}


def check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks the conf."""
    profiles = (conf.get("sidecar") or {}).get("profiles") or {}
    for name in ("exclude", "include"):
        for index, selector in enumerate(profiles.get(name) or ()):
            if selector["type"] == "Regex" and pattern_error(selector["match"]):
                yield Violation(f"{field}.sidecar.profiles.{name}[{index}].match", "invalid regex")
    for index, application in enumerate(conf.get("applications") or ()):
        yield from valid_port(f"{field}.applications.application[{index}]", application["port"])
    for index, backend in enumerate(conf.get("backends") or ()):
        yield from _check_backend(f"{field}.backends.backend[{index}]", backend)


def _check_backend(field: str, backend: JsonObject) -> Iterator[Violation]:
    name = _BODIES[backend["type"]]
    body = backend.get(name)
    if body is None:
        yield must_be_defined(f"{field}.{name}")
    elif name == "prometheus":
        yield from valid_port(f"{field}.port", body["port"])
    elif "://" in body["endpoint"]:
        yield Violation(f"{field}.openTelemetry.endpoint", "must not use schema")
    elif not is_url(body["endpoint"]):
        yield Violation(f"{field}.openTelemetry.endpoint", "must be a valid url")
