"""Names by which a destination is known on the wire: clusters of splits, and SNIs between zones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ursa.model.labels import MESH_TAG, SERVICE_TAG

Tags = Mapping[str, str]


def without_service(tags: Tags) -> dict[str, str]:
    """Tags without `kuma.io/service`, sorted."""
    return {key: tags[key] for key in sorted(tags) if key != SERVICE_TAG}


def cluster_name(tags: Tags) -> str:
    """Name of the cluster of a tag destination: the service, with a hash when further tags narrow it down.

    The hash is the first 8 bytes of SHA-256 over all keys and values in order of the keys (`spec/xds.md` §1.4).
    """
    service = tags[SERVICE_TAG]
    if len(tags) == 1 or not without_service(tags):
        return service
    text = "".join(key + tags[key] for key in sorted(tags))
    return f"{service}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sni_of_tags(tags: Tags, mesh: str) -> str:
    """SNI of a tag destination: `backend{mesh=default,version=v1}`."""
    extra = {**without_service(tags), "mesh": tags.get(MESH_TAG, mesh)}
    extra.pop(MESH_TAG, None)
    inside = ",".join(f"{key}={extra[key]}" for key in sorted(extra))
    return f"{tags[SERVICE_TAG]}{{{inside}}}"
