"""Local rate limits: of requests per route, of connections per filter chain."""

from __future__ import annotations

from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit as HttpConfig
from envoy.extensions.filters.network.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit as NetworkConfig
from envoy.type.v3.http_status_pb2 import StatusCode

from ursa.envoy.headers import header_value
from ursa.envoy.values import Fields, duration, fractional, packed, wrapped
from ursa.ir.fractions import Fraction
from ursa.ir.rate_limits import TokenBucket
from ursa.ir.routes import RateLimit

FILTER = "envoy.filters.http.local_ratelimit"
NETWORK_FILTER = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"
"""Kuma names the filter like its type, and patches refer to it so."""

STAT_PREFIX = "rate_limit"
_ALWAYS = fractional(Fraction(100))

HTTP_RATE_LIMIT: Fields = {"name": FILTER, "typed_config": packed(HttpConfig(stat_prefix=STAT_PREFIX))}
"""The filter; the limits are on the routes."""


def route_rate_limit(of: RateLimit) -> Fields:
    """The entry of `typed_per_filter_config` of a route."""
    fields: Fields = {
        "stat_prefix": STAT_PREFIX,
        "token_bucket": _bucket(of.bucket),
        "filter_enabled": {"default_value": _ALWAYS, "runtime_key": "local_rate_limit_enabled"},
        "filter_enforced": {"default_value": _ALWAYS, "runtime_key": "local_rate_limit_enforced"},
        "response_headers_to_add": [header_value(header) for header in of.headers],
    }
    # Envoy knows by far not every number, and refuses the listener for one that it does not know.
    if of.status in StatusCode.values():
        fields["status"] = {"code": of.status}
    return {FILTER: packed(HttpConfig(**fields))}


def connection_rate_limit(of: TokenBucket) -> Fields:
    """`envoy.config.listener.v3.Filter`."""
    return {
        "name": NETWORK_FILTER,
        "typed_config": packed(NetworkConfig(stat_prefix="tcp_rate_limit", token_bucket=_bucket(of))),
    }


def _bucket(of: TokenBucket) -> Fields:
    tokens = of.tokens
    return {"max_tokens": tokens, "tokens_per_fill": wrapped(tokens), "fill_interval": duration(of.interval)}
