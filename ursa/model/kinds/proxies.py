"""Proxies: beside workloads and at the edges of zones."""

from __future__ import annotations

from ursa.model import columns
from ursa.model.codec import ProtoSpec
from ursa.model.kind import Family, Kind, Scope, Sync, Writable
from ursa.model.validation.dataplane import dataplane_violations
from ursa.model.validation.zone_proxy import zone_egress_violations, zone_ingress_violations

WHERE_PROXIES_ARE = Writable.ZONE | Writable.FEDERATED_ZONE

DATAPLANE = Kind(
    name="Dataplane",
    path="dataplanes",
    scope=Scope.MESH,
    codec=ProtoSpec("mesh_pb2", "Dataplane"),
    family=Family.RESOURCE,
    short="dp",
    sync=Sync.UP,
    writable=WHERE_PROXIES_ARE,
    validate=dataplane_violations,
    insight="DataplaneInsight",
    overview="DataplaneOverview",
    columns=columns.DATAPLANE,
    cli=("dataplane", "dataplanes"),
    singular="Dataplane",
    plural="Dataplanes",
    namespaced=True,
)

ZONE_INGRESS = Kind(
    name="ZoneIngress",
    path="zoneingresses",
    path_aliases=("zone-ingresses",),
    scope=Scope.GLOBAL,
    codec=ProtoSpec("mesh_pb2", "ZoneIngress"),
    family=Family.RESOURCE,
    short="zi",
    sync=Sync.UP | Sync.ACROSS,
    writable=WHERE_PROXIES_ARE,
    validate=zone_ingress_violations,
    insight="ZoneIngressInsight",
    overview="ZoneIngressOverview",
    cli=("zoneingress", "zoneingresses"),
    singular="Zone Ingress",
    plural="Zone Ingresses",
    namespaced=True,
)

ZONE_EGRESS = Kind(
    name="ZoneEgress",
    path="zoneegresses",
    scope=Scope.GLOBAL,
    codec=ProtoSpec("mesh_pb2", "ZoneEgress"),
    family=Family.RESOURCE,
    short="ze",
    sync=Sync.UP,
    writable=WHERE_PROXIES_ARE,
    validate=zone_egress_violations,
    insight="ZoneEgressInsight",
    overview="ZoneEgressOverview",
    cli=("zoneegress", "zoneegresses"),
    singular="Zone Egress",
    plural="Zone Egresses",
    namespaced=True,
)

KINDS = (DATAPLANE, ZONE_INGRESS, ZONE_EGRESS)
