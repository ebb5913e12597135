"""What control planes need for themselves: zones, secrets and small configuration objects."""

from __future__ import annotations

from ursa.model.codec import ProtoSpec
from ursa.model.kind import Family, Kind, Scope, Sync, Writable
from ursa.model.validation.system import secret_violations, zone_violations

ZONE = Kind(
    name="Zone",
    path="zones",
    scope=Scope.GLOBAL,
    codec=ProtoSpec("system_pb2", "Zone"),
    family=Family.RESOURCE,
    writable=Writable.EVERYWHERE,
    validate=zone_violations,
    insight="ZoneInsight",
    overview="ZoneOverview",
    cli=("zone", "zones"),
    singular="Zone",
    plural="Zones",
)

SECRET = Kind(
    name="Secret",
    path="secrets",
    scope=Scope.MESH,
    codec=ProtoSpec("system_pb2", "Secret"),
    family=Family.ADMIN,
    sync=Sync.DOWN,
    hashed=False,
    writable=Writable.EVERYWHERE,
    validate=secret_violations,
    cli=("secret", "secrets"),
    singular="Secret",
    plural="Secrets",
    namespaced=True,
)

GLOBAL_SECRET = Kind(
    name="GlobalSecret",
    path="globalsecrets",
    path_aliases=("global-secrets",),
    scope=Scope.GLOBAL,
    codec=ProtoSpec("system_pb2", "Secret"),
    family=Family.ADMIN,
    sync=Sync.DOWN,
    hashed=False,
    writable=Writable.EVERYWHERE,
    validate=secret_violations,
    cli=("globalsecret", "globalsecrets"),
    singular="Global Secret",
    plural="Global Secrets",
    namespaced=True,
)

CONFIG = Kind(
    name="Config",
    path="",
    scope=Scope.GLOBAL,
    codec=ProtoSpec("system_pb2", "Config"),
    family=Family.INTERNAL,
    sync=Sync.DOWN,
    hashed=False,
    singular="Config",
    plural="Configs",
)

KINDS = (ZONE, SECRET, GLOBAL_SECRET, CONFIG)
