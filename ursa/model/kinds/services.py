"""Real services and identities: the newer resources that are not policies. JSON specs, some with a status."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.errors import Violation
from ursa.model.codec import JsonSpec
from ursa.model.json import JsonObject
from ursa.model.kind import Family, Kind, Scope, Sync, Writable
from ursa.model.resource import Resource
from ursa.model.schema import load_schema
from ursa.model.validation.dns_names import dns_name_warnings
from ursa.model.validation.identity import identity_violations
from ursa.model.validation.templates import hostname_generator_violations

WITH_STATUS = JsonSpec()


def _no_warnings(_: Resource) -> Sequence[str]:
    return ()


def _by_schema(_: Resource) -> Sequence[Violation]:
    """No rules beyond the schema."""
    return ()


def _trust_warnings(resource: Resource) -> Sequence[str]:
    return ("'spec.origin' field is deprecated, use 'status.origin' instead",) if "origin" in resource.spec else ()


def _kind(
    name: str,
    path: str,
    short: str,
    title: str,
    sync: Sync,
    *,
    writable: Writable = Writable.EVERYWHERE,
    scope: Scope = Scope.MESH,
    status: bool = True,
    titles: str = "",
    validate: Callable[[Resource], Sequence[Violation]] = _by_schema,
    schema: bool = True,
    warnings: Callable[[Resource], Sequence[str]] = _no_warnings,
    empty_status: JsonObject | None = None,
) -> Kind:
    return Kind(
        name=name,
        path=path,
        scope=scope,
        codec=JsonSpec(),
        family=Family.RESOURCE,
        short=short,
        sync=sync,
        writable=writable,
        status_codec=WITH_STATUS if status else None,
        schema=load_schema(name) if schema else {"type": "object", "properties": {}},
        empty_status=empty_status or {},
        validate=validate,
        warnings=warnings,
        cli=(name.lower(), path),
        singular=title,
        plural=titles or title + "s",
        namespaced=True,
    )


_BOTH_WAYS = Sync.DOWN | Sync.UP
_IN_ZONES = Writable.ZONE | Writable.FEDERATED_ZONE

KINDS = (
    _kind(
        "MeshService", "meshservices", "msvc", "Mesh Service", Sync.UP | Sync.ACROSS, writable=_IN_ZONES,
        warnings=dns_name_warnings, empty_status={"tls": {}, "dataplaneProxies": {}},
    ),
    _kind(
        "MeshMultiZoneService", "meshmultizoneservices", "mzsvc", "Mesh Multi Zone Service", Sync.DOWN,
        writable=Writable.ZONE | Writable.GLOBAL, warnings=dns_name_warnings,
    ),
    _kind(
        "MeshExternalService", "meshexternalservices", "extsvc", "Mesh External Service", _BOTH_WAYS,
        warnings=dns_name_warnings, empty_status={"vip": {}},
    ),
    _kind(
        "MeshIdentity", "meshidentities", "mid", "Mesh Identity", _BOTH_WAYS,
        titles="Mesh Identities", validate=identity_violations,
    ),
    _kind("MeshTrust", "meshtrusts", "mtrust", "Mesh Trust", _BOTH_WAYS, warnings=_trust_warnings),
    _kind(
        "HostnameGenerator", "hostnamegenerators", "hg", "Hostname Generator", _BOTH_WAYS,
        scope=Scope.GLOBAL, status=False, validate=hostname_generator_violations,
    ),
    _kind(
        "Workload", "workloads", "wl", "Workload", Sync.UP, writable=_IN_ZONES, schema=False,
        empty_status={"dataplaneProxies": {"connected": 0, "healthy": 0, "total": 0}},
    ),
)  # fmt: skip
