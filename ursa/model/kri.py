"""Kuma resource identifiers: `kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>` names a thing across zones."""

from __future__ import annotations

from typing import NamedTuple

from ursa.errors import BadRequest
from ursa.model.kind import Kind, Registry
from ursa.model.labels import NAMESPACE, ZONE
from ursa.model.resource import Resource


class Kri(NamedTuple):
    """The parts of an identifier; any but `short` and `name` may be empty."""

    short: str
    mesh: str
    zone: str
    namespace: str
    name: str
    section: str = ""

    def __str__(self) -> str:
        return "_".join(("kri", *self))


def kri_of(resource: Resource, kind: Kind, section: str = "") -> str:
    """The identifier of a resource, empty when its kind has none."""
    if not kind.short:
        return ""
    labels = resource.labels
    return str(
        Kri(
            kind.short,
            resource.mesh,
            labels.get(ZONE, ""),
            labels.get(NAMESPACE, ""),
            resource.display_name,
            section,
        )
    )


def parse_kri(text: str, registry: Registry) -> tuple[Kri, Kind]:
    """Parts and kind of an identifier.

    Raises:
        BadRequest: it is not one, or its kind is unknown; the texts are Kuma's.
    """
    prefix, *parts = text.split("_")
    if len(parts) < 6:
        raise BadRequest(f'invalid identifier string: "{text}"')
    if prefix != "kri":
        raise BadRequest(f"identifier must start with 'kri': \"{text}\"")
    kri = Kri(*parts[:6])
    for kind in registry:
        if kind.short and kind.short == kri.short:
            return kri, kind
    raise BadRequest(f'unknown short name of resource type: "{kri.short}"')
