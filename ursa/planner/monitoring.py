"""Where the metrics of a proxy are read, and by whom: what discovery of targets needs to know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ursa.model.dataplane import Dataplane
from ursa.model.json import JsonObject
from ursa.model.prometheus import PATH, PORT, PROVIDED_TLS, prometheus_of
from ursa.planner.mesh_metrics import sanitised
from ursa.planner.meshes import MeshState
from ursa.policies.core.policy import Policy
from ursa.policies.mesh_metric.effect import metrics_conf

_PROVIDED = {"ProvidedTLS", PROVIDED_TLS}


@dataclass(frozen=True, slots=True)
class Shown:
    """One place where metrics are read.

    Attributes:
        client: whom it is for, empty for those that nobody names, None for everybody.
        labels: that samples do not have yet.
    """

    client: str | None
    secured: bool
    address: str
    port: int
    path: str
    labels: tuple[tuple[str, str], ...] = ()


def shown(
    state: MeshState, dataplane: Dataplane, policies: Iterable[Policy], gateways: Iterable[str]
) -> tuple[Shown, ...]:
    """Where a proxy shows its metrics.

    Args:
        state: its mesh.
        dataplane: the proxy.
        policies: MeshMetrics that select it, in ascending strength.
        gateways: MeshGateways that it serves.
    """
    conf = metrics_conf(policies)
    if conf is not None:
        backends = [one["prometheus"] for one in conf["backends"] if one["type"] == "Prometheus"]
        return tuple(_by_policy(one, dataplane.address) for one in backends)
    of_mesh = prometheus_of(state.mesh.metrics, dataplane.metrics)
    if of_mesh is None:
        return ()
    labels = tuple(_labels(dataplane, gateways).items())
    return (Shown(None, of_mesh.tls in _PROVIDED, dataplane.address, of_mesh.port, of_mesh.path, labels),)


def _by_policy(conf: JsonObject, address: str) -> Shown:
    secured = (conf.get("tls") or {}).get("mode") in _PROVIDED
    return Shown(conf.get("clientId") or "", secured, address, int(conf.get("port") or PORT), conf.get("path") or PATH)


def _labels(dataplane: Dataplane, gateways: Iterable[str]) -> dict[str, str]:
    """Every tag with its values, and in the plural so that whole values can be found."""
    tags = dict(dataplane.all_tags)
    if names := sorted(gateways):
        tags["kuma.io/mesh-gateway"] = names
    labels: dict[str, str] = {}
    for key, values in tags.items():
        name = sanitised(key)
        labels |= {name: ",".join(values), f"{name}s": f",{','.join(values)},"}
    return labels
