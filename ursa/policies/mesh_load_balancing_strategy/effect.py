"""MeshLoadBalancingStrategy: which of its endpoints a cluster picks, and in which zones (`spec` §3.10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ursa.ir import routes
from ursa.ir.cluster import Cluster
from ursa.ir.listener import FilterChain
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.matching import mesh_conf
from ursa.policies.core.place import Place
from ursa.policies.core.policy import Policy
from ursa.policies.mesh_load_balancing_strategy.balancers import balancer
from ursa.policies.mesh_load_balancing_strategy.localities import affinity_keys, localities
from ursa.policies.plugin import DestinationRules, EgressTarget, OutboundTarget, PolicyPlugin

KIND = "MeshLoadBalancingStrategy"

_HASHING: Mapping[str, str] = MappingProxyType({"RingHash": "ringHash", "Maglev": "maglev"})
"""Balancers whose own section may tell what hashes are made of, which is the older place for it."""


class MeshLoadBalancingStrategyPlugin(PolicyPlugin):
    """Writes balancers and localities on clusters, and on routes what hashes are made of."""

    kind = KIND

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        for chain in target.listener.chains:
            if (manager := chain.http) is not None:
                for route, forward in manager.route_config.forwarding:
                    forward.hash_policies = hash_policies(rules.route_conf(target, route) or {})
        for cluster in target.clusters:
            # What is outside is balanced by the egress, which alone knows the servers.
            conf = None if cluster.external else rules.conf(cluster)
            if conf is not None:
                _balance(cluster, conf)
                # Real services of other zones are reached straight by their ingresses.
                by_egress = target.by_egress and not cluster.resource_origin
                cluster.localities = localities(conf, target.place, by_egress=by_egress)

    def passed_on(self, cluster: Cluster, chains: Sequence[FilterChain], zone: str, rules: DestinationRules) -> None:
        conf = rules.conf(cluster)
        if conf is None:
            return
        _balance(cluster, conf)
        for chain in chains:
            _hash(chain, conf)
        cross_zone: JsonObject = (conf.get("localityAwareness") or {}).get("crossZone") or {}
        if cross_zone.get("failover"):
            # Only clients know their own zone's instances; what they do not want of other zones does not get here.
            cluster.localities = localities({"localityAwareness": {"crossZone": cross_zone}}, Place(zone))

    def mesh_external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        found = mesh_conf(policies)
        if found is not None:
            _balance(target.cluster, found.conf)
            _hash(target.chain, found.conf)


def asked_tags(policies: Iterable[Policy]) -> frozenset[str]:
    """The keys of those own tags of a client that its policies compare with instances."""
    return frozenset(key for policy in policies for item in policy.to_items for key in affinity_keys(item.conf))


def hash_policies(conf: JsonObject) -> tuple[routes.HashPolicy, ...]:
    """What hashes are made of, by a conf."""
    found: Sequence[JsonObject] | None = conf.get("hashPolicies")
    if found is None:
        chosen: JsonObject = conf.get("loadBalancer") or {}
        section: JsonObject = chosen.get(_HASHING.get(chosen.get("type", ""), "")) or {}
        found = section.get("hashPolicies") or ()
    made = (_hash_policy(policy) for policy in found)
    return tuple(policy for policy in made if policy is not None)


def _hash(chain: FilterChain, conf: JsonObject) -> None:
    if (manager := chain.http) is not None:
        for _, forward in manager.route_config.forwarding:
            forward.hash_policies = hash_policies(conf)


def _hash_policy(conf: JsonObject) -> routes.HashPolicy | None:
    terminal = bool(conf.get("terminal"))
    match conf["type"]:
        case "Header":
            return routes.HashPolicy(routes.HEADER, conf["header"]["name"], terminal=terminal)
        case "Cookie":
            cookie = conf["cookie"]
            ttl = None if cookie.get("ttl") is None else parse_go(cookie["ttl"])
            return routes.HashPolicy(routes.COOKIE, cookie["name"], ttl, cookie.get("path") or "", terminal)
        case "QueryParameter":
            return routes.HashPolicy(routes.QUERY_PARAMETER, conf["queryParameter"]["name"], terminal=terminal)
        case "FilterState":
            return routes.HashPolicy(routes.FILTER_STATE, conf["filterState"]["key"], terminal=terminal)
        case "Connection" if not (conf.get("connection") or {}).get("sourceIP", True):
            return None
    # The older name for a connection's source address.
    return routes.HashPolicy(routes.SOURCE_IP, terminal=terminal)


def _balance(cluster: Cluster, conf: JsonObject) -> None:
    if (chosen := conf.get("loadBalancer")) is not None:
        cluster.balancer = balancer(chosen)
