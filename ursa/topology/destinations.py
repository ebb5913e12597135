"""Names by which a destination is known on the wire: clusters of splits, and SNIs between zones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from ursa.model.labels import GLOBAL, MESH_TAG, ORIGIN, SERVICE_TAG
from ursa.model.real_service import MESH_SERVICE, RealService
from ursa.model.synced_names import fnv1a

Tags = Mapping[str, str]

SNI_KINDS: Mapping[str, str] = MappingProxyType(
    {"MeshService": "ms", "MeshMultiZoneService": "mzms", "MeshExternalService": "mes"}
)
"""How SNIs end."""

SNI_PART = 62
"""Characters of a name that an SNI shows."""


def without_service(tags: Tags) -> dict[str, str]:
    """Tags without `kuma.io/service`, sorted."""
    return {key: tags[key] for key in sorted(tags) if key != SERVICE_TAG}


def cluster_name(tags: Tags, asking: Tags = MappingProxyType({})) -> str:
    """Name of the cluster of a tag destination: the service, with a hash when further tags narrow it down.

    The hash is the first 8 bytes of SHA-256 over all keys and values in order of the keys (`spec/xds.md` §1.4).

    Args:
        tags: of the destination.
        asking: of the listener whose clusters are its own, as those of gateways are.
    """
    service = tags[SERVICE_TAG]
    if not without_service(tags) and not asking:
        return service
    text = "".join(key + side[key] for side in (tags, asking) for key in sorted(side))
    return f"{service}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sni_of_tags(tags: Tags, mesh: str) -> str:
    """SNI of a tag destination: `backend{mesh=default,version=v1}`."""
    extra = {**without_service(tags), "mesh": tags.get(MESH_TAG, mesh)}
    extra.pop(MESH_TAG, None)
    inside = ",".join(f"{key}={extra[key]}" for key in sorted(extra))
    return f"{tags[SERVICE_TAG]}{{{inside}}}"


def sni_of_service(service: RealService, port: int, *, system_namespace: str = "") -> str:
    """SNI of a port of a real service: equal in all zones, since it is how one zone asks another (`spec/xds.md` §5.2).

    Args:
        service: the service.
        port: its number.
        system_namespace: that of this control plane, empty outside of Kubernetes.
    """
    name, mesh = _sni_name(service, system_namespace), service.mesh
    digest = fnv1a(f"{name};{mesh};".encode())
    return f"a{digest:016x}.{_shortened(name)}.{port}.{_shortened(mesh)}.{SNI_KINDS[service.kind]}"


def _sni_name(service: RealService, system_namespace: str) -> str:
    """The name under which its own zone knows a service."""
    if service.kind != MESH_SERVICE:
        return service.display_name
    synced = service.labels.get(ORIGIN) == GLOBAL
    name = service.display_name if synced else service.name
    namespace = "" if service.namespace == system_namespace else service.namespace
    in_kubernetes = bool(system_namespace)
    return f"{name}.{namespace}" if namespace and (synced or not in_kubernetes) else name


def _shortened(text: str) -> str:
    return text if len(text) <= SNI_PART else text[:SNI_PART] + "x"
