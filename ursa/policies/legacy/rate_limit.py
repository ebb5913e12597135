"""RateLimit: requests beyond a rate are answered by the proxy of the destination, source by source (`spec` §3.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ursa.ir.listener import FilterChain, HttpRateLimit
from ursa.ir.rate_limits import TokenBucket
from ursa.ir.routes import HeaderValue, RateLimit, Route
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.core.source_tags import from_source
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, naming

KIND = "RateLimit"


def limit_requests(chains: Iterable[FilterChain], policies: Sequence[ConnectionPolicy]) -> None:
    """Puts routes with limits, one per source, in front of those without; what no source fits is unlimited."""
    limits = [(source, rate_limit(policy)) for source, policy in _by_source(policies)]
    for chain in chains if limits else ():
        if (manager := chain.http) is not None:
            manager.before_router(HttpRateLimit())
            for host in manager.route_config.virtual_hosts:
                host.routes = [*_limited(host.routes, limits), *host.routes]


def rate_limit(policy: ConnectionPolicy) -> RateLimit:
    """The rate of a policy."""
    http: JsonObject = policy.resource.spec.get("conf", {}).get("http", {})
    answer: JsonObject = http.get("onRateLimit", {})
    headers = tuple(
        HeaderValue(header["key"], header["value"], overwrite=not header.get("append"))
        for header in answer.get("headers", ())
    )
    bucket = TokenBucket(int(http["requests"]), parse_proto(http["interval"]))
    return RateLimit(bucket, answer.get("status") or None, headers)


def _by_source(policies: Iterable[ConnectionPolicy]) -> list[tuple[Tags, ConnectionPolicy]]:
    """Every source with its policy, those that say more about clients first."""
    pairs = [(source, policy) for policy in policies for source in policy.sources]
    pairs.sort(key=lambda pair: (-pair[1].resource.created, pair[1].name))
    return sorted(pairs, key=lambda pair: naming(pair[0]), reverse=True)


def _limited(routes: Sequence[Route], limits: Iterable[tuple[Tags, RateLimit]]) -> Iterator[Route]:
    for source, limit in limits:
        for route in routes:
            match = replace(route.match, headers=(*route.match.headers, from_source(source)))
            yield replace(route, match=match, action=replace(route.action), rate_limit=limit)
