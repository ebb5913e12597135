"""Load assignments: the resources that change most often and are shared by most proxies."""

from __future__ import annotations

from itertools import groupby

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from ursa.envoy.values import Fields, serialised, string_struct, wrapped
from ursa.ir.cluster import Endpoint, LoadAssignment


def assignment_bytes(of: LoadAssignment) -> bytes:
    """Serialised `envoy.config.endpoint.v3.ClusterLoadAssignment`."""
    return serialised(ClusterLoadAssignment(**assignment(of)))


def assignment(of: LoadAssignment) -> Fields:
    """`envoy.config.endpoint.v3.ClusterLoadAssignment`: grouped by locality, sorted by address."""
    ordered = sorted(of.endpoints, key=lambda e: (e.zone or "", e.priority, e.address, e.port, sorted(e.tags.items())))
    groups = [
        _locality(zone, priority, list(members))
        for (zone, priority), members in groupby(ordered, key=lambda e: (e.zone, e.priority))
    ]
    return {"cluster_name": of.cluster, "endpoints": groups}


def _locality(zone: str | None, priority: int, members: list[Endpoint]) -> Fields:
    fields: Fields = {"lb_endpoints": [_endpoint(member) for member in members], "priority": priority}
    if zone is not None:
        fields["locality"] = {"zone": zone}
    return fields


def _endpoint(of: Endpoint) -> Fields:
    fields: Fields = {
        "endpoint": {"address": {"socket_address": {"address": of.address, "port_value": of.port}}},
        "load_balancing_weight": wrapped(of.weight),
    }
    if of.tags:
        tags = string_struct(of.tags)
        fields["metadata"] = {"filter_metadata": {"envoy.lb": tags, "envoy.transport_socket_match": tags}}
    return fields
