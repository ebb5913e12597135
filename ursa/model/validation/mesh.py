"""Rules and defaults of Meshes (`spec/policies-legacy.md`, `spec/rest-api.md` §7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.mesh import parse_expiration
from ursa.model.resource import Resource
from ursa.model.validation.mesh_backends import check_logging, check_metrics, check_tracing
from ursa.model.validation.selectors import tag_selector

MAX_BACKENDS = 1


def mesh_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a Mesh that can be told from the Mesh alone."""
    spec = resource.spec
    found = list(_mtls(spec.get("mtls")))
    if spec.get("routing", {}).get("zoneEgress") and not spec.get("mtls", {}).get("enabledBackend"):
        found.append(Violation("mtls", "has to be set when zoneEgress enabled"))
    found += check_logging(spec.get("logging", {}))
    found += check_tracing(spec.get("tracing", {}))
    found += check_metrics(spec.get("metrics", {}))
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
            yield Violation("mtls.dpcert.rotation.expiration", "has to be a valid format")
    enabled = mtls.get("enabledBackend")
    if enabled and enabled not in names:
        yield Violation("mtls.enabledBackend", "has to be set to one of the backends in the mesh")


def _constraints(proxies: JsonObject) -> Iterator[Violation]:
    for part in ("requirements", "restrictions"):
        for index, rule in enumerate(proxies.get(part, [])):
            yield from tag_selector(f"constraints.dataplaneProxy.{part}[{index}].tags", rule.get("tags", {}))


def _with_prometheus_defaults(backend: dict[str, Any]) -> dict[str, Any]:
    given = backend.get("conf", {})
    conf = {"port": 5670, "path": "/metrics", "tags": {"kuma.io/service": "dataplane-metrics"}}
    if "skipMTLS" not in given:  # the older word for it, which must not stand beside the newer
        conf["tls"] = {}
    return {**backend, "conf": conf | given}
