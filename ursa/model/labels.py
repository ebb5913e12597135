"""Labels with a meaning: their names, how a write computes them, which ones a user may set (`rest-api` §8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ursa.errors import Violation
from ursa.model.kind import Kind
from ursa.model.resource import Resource

ORIGIN = "kuma.io/origin"
ZONE = "kuma.io/zone"
MESH = "kuma.io/mesh"
ENV = "kuma.io/env"
DISPLAY_NAME = "kuma.io/display-name"
PROXY_TYPE = "kuma.io/proxy-type"
POLICY_ROLE = "kuma.io/policy-role"
MANAGED_BY = "kuma.io/managed-by"
EFFECT = "kuma.io/effect"
KDS_SYNC = "kuma.io/kds-sync"
WORKLOAD = "kuma.io/workload"
NAMESPACE = "k8s.kuma.io/namespace"
DELETION_GRACE = "kuma.io/deletion-grace-period-started-at"
PRESENCE = "ursa.io/presence"
"""Ours, on a ZoneIngress: `lapsed` while its zone is not seen, so that it is used last."""
SHARE = "ursa.io/cross-zone-share"
"""Ours, on a ZoneIngress: percent of its weight that other zones give it, while its zone is drained or comes back."""

SERVICE_TAG = "kuma.io/service"
PROTOCOL_TAG = "kuma.io/protocol"
ZONE_TAG = "kuma.io/zone"
MESH_TAG = "kuma.io/mesh"

GLOBAL, IN_ZONE = "global", "zone"
"""Values of the origin label."""

IMMUTABLE = (ORIGIN, ZONE, DISPLAY_NAME)
"""Labels that an update may neither change nor drop."""

_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Locality:
    """Where a control plane stands: what labels of new objects depend on.

    Attributes:
        is_global: whether this is a global control plane.
        zone: name of the zone, empty on a global.
        federated: whether the zone syncs with a global.
        environment: `universal` or `kubernetes`.
        check_origin: whether the origin label of users' objects is checked.
    """

    is_global: bool
    zone: str = ""
    federated: bool = False
    environment: str = "universal"
    check_origin: bool = True


def compute_labels(resource: Resource, kind: Kind, here: Locality) -> dict[str, str]:
    """The labels of an object written here: the user's, plus those that follow from kind and place."""
    labels = dict(resource.labels)
    if not kind.global_scope:
        labels.setdefault(MESH, resource.mesh)
    if not here.is_global and kind.zone_writable:
        labels.setdefault(ORIGIN, IN_ZONE)
        if labels[ORIGIN] != GLOBAL:
            labels.setdefault(ZONE, here.zone)
            labels.setdefault(ENV, here.environment)
    proxy_type = _proxy_type(resource)
    if proxy_type:
        labels[PROXY_TYPE] = proxy_type
    return labels


def _proxy_type(resource: Resource) -> str:
    if resource.kind == "Dataplane":
        gateway = resource.spec.get("networking", {}).get("gateway", {})
        return "gateway" if gateway.get("type") == "BUILTIN" else "sidecar"
    return {"ZoneIngress": "zoneingress", "ZoneEgress": "zoneegress"}.get(resource.kind, "")


def label_violations(resource: Resource, kind: Kind, here: Locality) -> list[Violation]:
    """Every rule that a user's labels break."""
    found = [v for key in sorted(resource.labels) for v in _syntax(key, resource.labels[key])]
    origin = resource.labels.get(ORIGIN)
    field = f'labels["{ORIGIN}"]'
    if origin is not None and origin not in (GLOBAL, IN_ZONE):
        found.append(Violation(field, f'unknown resource origin "{origin}"'))
    elif here.check_origin:
        found += _origin(origin, field, kind, here)
    if not here.is_global and origin != GLOBAL:
        found += _place(resource, kind, here)
    return found


def immutable_violations(before: Mapping[str, str], after: Mapping[str, str]) -> list[Violation]:
    """Labels an update would change or drop although it must not."""
    found = []
    for key in IMMUTABLE:
        old, new = before.get(key), after.get(key)
        if old is None or old == new:
            continue
        change = f'changed from "{old}" to "{new}"' if new is not None else f'removed (was "{old}")'
        found.append(Violation(f'labels["{key}"]', f"is immutable, cannot be {change}"))
    return found


def _origin(origin: str | None, field: str, kind: Kind, here: Locality) -> list[Violation]:
    if here.is_global:
        wrong = origin not in (None, GLOBAL)
        return [Violation(field, "the origin label must be set to 'global'")] if wrong else []
    if here.federated and not kind.codec.flat and origin != IN_ZONE:
        return [Violation(field, "the origin label must be set to 'zone'")]
    return []


def _place(resource: Resource, kind: Kind, here: Locality) -> list[Violation]:
    found = []
    zone, mesh = resource.labels.get(ZONE), resource.labels.get(MESH)
    if zone is not None and zone != here.zone:
        found.append(Violation(f'labels["{ZONE}"]', f"kuma.io/zone label should have {here.zone} value"))
    if mesh is not None and not kind.global_scope and mesh != resource.mesh:
        found.append(Violation(f'labels["{MESH}"]', "kuma.io/mesh label must not differ from mesh set on resource"))
    return found


def _syntax(key: str, value: str) -> list[Violation]:
    field = f'labels["{key}"]'
    prefix, slash, name = key.partition("/") if "/" in key else ("", "", key)
    found = []
    if "/" in name:
        return [Violation(field, _QUALIFIED)]
    if not name:
        found.append(Violation(field, "name part must be non-empty"))
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        found.append(
            Violation(
                field,
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
                "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
                "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            )
        )
    if len(name) > 63 or not _NAME.fullmatch(name):
        found.append(
            Violation(
                field,
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            )
        )
    if len(value) > 63 or not _VALUE.fullmatch(value):
        found.append(
            Violation(
                field,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            )
        )
    return found
