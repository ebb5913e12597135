"""Builtin gateways and their routes."""

from __future__ import annotations

from ursa.model.codec import ProtoSpec
from ursa.model.kind import Family, Kind, Scope, Sync, Writable
from ursa.model.validation.gateway import gateway_violations
from ursa.model.validation.gateway_route import gateway_route_violations

KINDS = (
    Kind(
        name="MeshGateway",
        path="meshgateways",
        scope=Scope.MESH,
        codec=ProtoSpec("mesh_pb2", "MeshGateway"),
        family=Family.RESOURCE,
        short="mgw",
        sync=Sync.DOWN | Sync.UP,
        writable=Writable.EVERYWHERE,
        validate=gateway_violations,
        cli=("meshgateway", "meshgateways"),
        singular="Mesh Gateway",
        plural="Mesh Gateways",
    ),
    Kind(
        name="MeshGatewayRoute",
        path="meshgatewayroutes",
        scope=Scope.MESH,
        codec=ProtoSpec("mesh_pb2", "MeshGatewayRoute"),
        family=Family.LEGACY_POLICY,
        sync=Sync.DOWN,
        writable=Writable.ZONE | Writable.GLOBAL,
        validate=gateway_route_violations,
        cli=("meshgatewayroute", "meshgatewayroutes"),
        singular="Mesh Gateway Route",
        plural="Mesh Gateway Routes",
    ),
)
