"""Rules and defaults of Meshes (`spec/policies-legacy.md`, `spec/rest-api.md` §7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.mesh import parse_expiration
from ursa.model.resource import Resource

MAX_BACKENDS = 1


def mesh_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a Mesh that can be told from the Mesh alone."""
    spec = resource.spec
    found = list(_mtls(spec.get("mtls")))
    if spec.get("routing", {}).get("zoneEgress") and not spec.get("mtls", {}).get("enabledBackend"):
        found.append(Violation("mtls", "has to be set when zoneEgress enabled"))
    for part, enabled, kinds in (
        ("logging", "defaultBackend", ("file", "tcp")),
        ("tracing", "defaultBackend", ("zipkin", "datadog")),
        ("metrics", "enabledBackend", ("prometheus",)),
    ):
        found += _backends(part, spec.get(part), enabled, kinds)
    found += _constraints(spec.get("constraints", {}).get("dataplaneProxy", {}))
    return found


def fill_mesh_defaults(spec: JsonObject) -> JsonObject:
    """Prometheus backends get Kuma's port, path and tag."""
    backends = spec.get("metrics", {}).get("backends")
    if not backends:
        return spec
    filled = [_with_prometheus_defaults(b) if b.get("type") == "prometheus" else b for b in backends]
    return {**spec, "metrics": {**spec["metrics"], "backends": filled}}


def _mtls(mtls: JsonObject | None) -> Iterator[Violation]:
    if mtls is None:
        return
    backends = mtls.get("backends", [])
    if len(backends) > MAX_BACKENDS:
        yield Violation("mtls.backends", f"cannot have more than {MAX_BACKENDS} backends")
    names: set[str] = set()
    for index, backend in enumerate(backends):
        name = backend.get("name", "")
        if name in names:
            yield Violation(f"mtls.backends[{index}].name", f'"{name}" name is already used for another backend')
        names.add(name)
        try:
            parse_expiration(backend.get("dpCert", {}).get("rotation", {}).get("expiration", ""))
        except ValueError:
            yield Violation(f"mtls.backends[{index}].dpcert.rotation.expiration", "has to be a valid format")
    enabled = mtls.get("enabledBackend")
    if enabled and enabled not in names:
        yield Violation("mtls.enabledBackend", "has to be set to one of the backends in the mesh")


def _backends(part: str, spec: JsonObject | None, enabled: str, kinds: tuple[str, ...]) -> Iterator[Violation]:
    if spec is None:
        return
    names: set[str] = set()
    for index, backend in enumerate(spec.get("backends", [])):
        field, name = f"{part}.backends[{index}]", backend.get("name", "")
        if not name:
            yield Violation(f"{field}.name", "cannot be empty")
        elif name in names:
            yield Violation(f"{field}.name", f'"{name}" name is already used for another backend')
        names.add(name)
        if backend.get("type") not in kinds:
            listed = ", ".join(f'"{k}"' for k in kinds)
            yield Violation(f"{field}.type", f"unknown backend type. Available backends: {listed}")
    chosen = spec.get(enabled)
    if chosen and chosen not in names:
        yield Violation(f"{part}.{enabled}", f"has to be set to one of the {part} backend in mesh")


def _constraints(proxies: JsonObject) -> Iterator[Violation]:
    for part in ("requirements", "restrictions"):
        for index, rule in enumerate(proxies.get(part, [])):
            if not rule.get("tags"):
                field = f"constraints.dataplaneProxy.{part}[{index}].tags"
                yield Violation(field, "must have at least one tag")


def _with_prometheus_defaults(backend: dict[str, Any]) -> dict[str, Any]:
    conf = {"port": 5670, "path": "/metrics", "tags": {"kuma.io/service": "dataplane-metrics"}, "tls": {}}
    return {**backend, "conf": conf | backend.get("conf", {})}
