"""What balancers make their hashes of."""

from __future__ import annotations

from ursa.envoy.values import Fields, optional_duration, present
from ursa.ir import routes as ir


def hash_policy(of: ir.HashPolicy) -> Fields:
    """`RouteAction.HashPolicy`."""
    fields: Fields = {"terminal": of.terminal}
    match of.kind:
        case ir.HEADER:
            fields["header"] = {"header_name": of.name}
        case ir.COOKIE:
            fields["cookie"] = present(name=of.name, ttl=optional_duration(of.ttl), path=of.path or None)
        case ir.SOURCE_IP:
            fields["connection_properties"] = {"source_ip": True}
        case ir.QUERY_PARAMETER:
            fields["query_parameter"] = {"name": of.name}
        case ir.FILTER_STATE:
            fields["filter_state"] = {"key": of.name}
        case other:
            raise ValueError(f"no hash of {other}")
    return fields
