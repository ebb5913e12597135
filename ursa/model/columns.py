"""What a table shows of an object besides its name and age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ursa.model.kind import Column
from ursa.model.resource import Resource


def _mtls(mesh: Resource) -> str:
    mtls = mesh.spec.get("mtls", {})
    enabled = mtls.get("enabledBackend", "")
    types = {backend.get("name"): backend.get("type", "") for backend in mtls.get("backends", ())}
    return f"{types.get(enabled, '')}/{enabled}" if enabled else "off"


def _switch(name: str) -> Column:
    title = {"localityAwareLoadBalancing": "LOCALITY", "zoneEgress": "ZONEEGRESS"}[name]
    return Column(title, lambda mesh: "on" if mesh.spec.get("routing", {}).get(name) else "off")


def tags_text(sets: Iterable[Mapping[str, str]]) -> str:
    """`k=v k=v`, sorted; several values of one key are joined with commas."""
    values: dict[str, set[str]] = defaultdict(set)
    for tags in sets:
        for key, value in tags.items():
            values[key].add(value)
    return " ".join(f"{key}={','.join(sorted(values[key]))}" for key in sorted(values))


def _proxy_tags(dataplane: Resource) -> str:
    networking = dataplane.spec.get("networking", {})
    parts = [*networking.get("inbound", ()), networking.get("gateway") or {}]
    return tags_text(part.get("tags", {}) for part in parts)


def _address(resource: Resource) -> str:
    networking = resource.spec.get("networking", {})
    return str(networking.get("advertisedAddress") or networking.get("address", ""))


MESH = (Column("mTLS", _mtls), _switch("localityAwareLoadBalancing"), _switch("zoneEgress"))
DATAPLANE = (Column("TAGS", _proxy_tags), Column("ADDRESS", _address))
EXTERNAL_SERVICE = (Column("TAGS", lambda r: tags_text([r.spec.get("tags", {})])), Column("ADDRESS", _address))
