"""Load balancers of clusters."""

from __future__ import annotations

from ursa.envoy.values import Fields, optional_wrapped, present
from ursa.ir import cluster as ir


def balancer(of: ir.LoadBalancer | None) -> Fields:
    """The fields of a cluster that choose its balancer; none for round robin, which is Envoy's default."""
    match of:
        case ir.LeastRequest():
            return {"lb_policy": "LEAST_REQUEST", **_config("least_request_lb_config", _least_request(of))}
        case ir.RingHash():
            return {"lb_policy": "RING_HASH", **_config("ring_hash_lb_config", _ring_hash(of))}
        case ir.RandomChoice():
            return {"lb_policy": "RANDOM"}
        case ir.Maglev(size):
            return {"lb_policy": "MAGLEV", **_config("maglev_lb_config", present(table_size=optional_wrapped(size)))}
        case None:
            return {}


def _config(name: str, fields: Fields) -> Fields:
    return {name: fields} if fields else {}


def _least_request(of: ir.LeastRequest) -> Fields:
    bias = None if of.bias is None else {"default_value": of.bias}
    return present(choice_count=optional_wrapped(of.choice_count), active_request_bias=bias)


def _ring_hash(of: ir.RingHash) -> Fields:
    return present(
        hash_function=of.hash_function or None,
        minimum_ring_size=optional_wrapped(of.min_size),
        maximum_ring_size=optional_wrapped(of.max_size),
    )
