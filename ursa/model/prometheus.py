"""How proxies of a mesh show their metrics to Prometheus; a Dataplane may say it otherwise for itself."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.model.json import JsonObject

PORT, PATH = 5670, "/metrics"
ACTIVE_MTLS, PROVIDED_TLS = "activeMTLSBackend", "providedTLS"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where metrics are read.

    Attributes:
        tls: `activeMTLSBackend`, `providedTLS`, or anything else for plain text.
        query: what is asked of Envoy, empty for everything.
    """

    port: int
    path: str
    tls: str
    query: str


def prometheus_of(mesh: JsonObject | None, dataplane: JsonObject) -> Prometheus | None:
    """The confs of a mesh's enabled backend and of a Dataplane taken together; None where the mesh enables none."""
    if mesh is None:
        return None
    conf: JsonObject = {**mesh, **dataplane}
    envoy: JsonObject = {**mesh.get("envoy", {}), **dataplane.get("envoy", {})}
    mode = conf["tls"].get("mode", ACTIVE_MTLS) if "tls" in conf else "" if conf.get("skipMTLS") else ACTIVE_MTLS
    return Prometheus(int(conf.get("port") or PORT), conf.get("path") or PATH, mode, _query(envoy))


def _query(envoy: JsonObject) -> str:
    """Raw, as in Kuma, which even leaves the separator of a parameter that is not there."""
    pattern, used_only = envoy.get("filterRegex", ""), envoy.get("usedOnly", False)
    if not pattern:
        return "?usedonly" if used_only else ""
    return f"?filter={pattern}&" + ("usedonly" if used_only else "")
