"""MeshRateLimit: requests and connections beyond a rate are refused by the proxy of the destination (`spec` §3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.ir.listener import ConnectionRateLimit, FilterChain, HttpConnectionManager, HttpRateLimit
from ursa.ir.rate_limits import TokenBucket
from ursa.ir.routes import HeaderValue, RateLimit
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.matching import inbound_conf
from ursa.policies.core.policy import Policy
from ursa.policies.plugin import DestinationRules, EgressTarget, InboundTarget, OutboundTarget, PolicyPlugin


class MeshRateLimitPlugin(PolicyPlugin):
    """Limits what comes in; requests only where no RateLimit does."""

    kind = "MeshRateLimit"

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        _limit(target.listener.chains, policies)

    def external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        _limit((target.chain,), policies)

    def gateway(self, target: OutboundTarget, rules: DestinationRules, policies: tuple[Policy, ...]) -> None:
        for chain in target.listener.chains:
            if (manager := chain.http) is not None:
                for route in (route for host in manager.route_config.virtual_hosts for route in host.routes):
                    conf = rules.route_conf(target, route) or {}
                    limit = rate_limit((conf.get("local") or {}).get("http") or {})
                    route.rate_limit = limit or route.rate_limit
            elif chain.tcp is not None:
                _limit_connections((chain,), (rules.conf(target) or {}).get("local") or {})


def rate_limit(http: JsonObject) -> RateLimit | None:
    """The limit of an `http` section, None without a rate or when it is switched off."""
    bucket = _bucket(http, "requestRate")
    if bucket is None:
        return None
    answer: JsonObject = http.get("onRateLimit") or {}
    return RateLimit(bucket, answer.get("status"), tuple(_headers(answer.get("headers") or {})))


def _limit(chains: Sequence[FilterChain], policies: Sequence[Policy]) -> None:
    found = inbound_conf(policies)
    local: JsonObject = {} if found is None else found.conf.get("local") or {}
    _limit_connections(chains, local)
    limit = rate_limit(local.get("http") or {})
    for chain in chains if limit is not None else ():
        if (manager := chain.http) is not None and not _limited(manager):
            manager.before_router(HttpRateLimit())
            for host in manager.route_config.virtual_hosts:
                for route in host.routes:
                    route.rate_limit = limit


def _limit_connections(chains: Sequence[FilterChain], local: JsonObject) -> None:
    connections = _bucket(local.get("tcp") or {}, "connectionRate")
    if connections is not None:
        for chain in chains:
            chain.filters.insert(0, ConnectionRateLimit(connections))


def _bucket(section: JsonObject, name: str) -> TokenBucket | None:
    rate: JsonObject | None = section.get(name)
    if rate is None or section.get("disabled"):
        return None
    return TokenBucket(rate["num"], parse_go(rate["interval"]))


def _limited(manager: HttpConnectionManager) -> bool:
    return any(isinstance(f, HttpRateLimit) for f in manager.http_filters)


def _headers(headers: JsonObject) -> Iterator[HeaderValue]:
    for header in headers.get("add") or ():
        yield HeaderValue(header["name"], header["value"])
    for header in headers.get("set") or ():
        # A list of values is one entry each; the first replaces what is there, the others must not replace the first.
        for position, value in enumerate(header["value"].split(",")):
            yield HeaderValue(header["name"], value, overwrite=position == 0)
