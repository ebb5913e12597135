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
    ordered = sorted(of.endpoints, key=lambda e: (_place(e), e.address, e.port, sorted(e.tags.items())))
    fields: Fields = {
        "cluster_name": of.cluster,
        "endpoints": [_locality(list(members)) for _, members in groupby(ordered, key=_place)],
    }
    if of.overprovisioning is not None:
        fields["policy"] = {"overprovisioning_factor": wrapped(of.overprovisioning)}
    return fields


def _place(of: Endpoint) -> tuple[bool, str, str, int]:
    return (of.zone is not None, of.zone or "", of.sub_zone, of.priority)


def _locality(members: list[Endpoint]) -> Fields:
    first = members[0]
    fields: Fields = {"lb_endpoints": [_endpoint(member) for member in members], "priority": first.priority}
    if first.zone is not None:
        fields["locality"] = {"zone": first.zone, "sub_zone": first.sub_zone}
    if first.locality_weight is not None:
        fields["load_balancing_weight"] = wrapped(first.locality_weight)
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
