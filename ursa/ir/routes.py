"""HTTP routing: route configurations, virtual hosts, routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ursa.ir.fractions import Fraction
from ursa.ir.rate_limits import TokenBucket

EXACT, PREFIX, REGEX, PRESENT, ABSENT = "exact", "prefix", "regex", "present", "absent"
"""Ways to match a text."""


@dataclass(frozen=True, slots=True)
class HeaderMatcher:
    """A condition on a header; `value` is unused for present and absent, `inverted` asks for the contrary.

    `by_string` chooses the newer of Envoy's two ways to say the same; which one is used is part of what is recorded.
    """

    name: str
    kind: str
    value: str = ""
    by_string: bool = False
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class QueryMatcher:
    """A condition on a query parameter; `kind` is exact or regex."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What requests a route is for; `path_kind` is exact, prefix or regex."""

    path: str = "/"
    path_kind: str = PREFIX
    headers: tuple[HeaderMatcher, ...] = ()
    query: tuple[QueryMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """A header to add; `overwrite` replaces one that is there, otherwise it is appended."""

    name: str
    value: str
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class RegexRewrite:
    """A substitution with RE2 syntax."""

    pattern: str
    substitution: str


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """A share of the traffic; `headers` are added to its requests, where shares are told apart."""

    name: str
    weight: int
    headers: tuple[HeaderValue, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests may pass, and what the others are told; without a status Envoy says 429."""

    bucket: TokenBucket
    status: int | None = None
    headers: tuple[HeaderValue, ...] = ()


@dataclass(slots=True)
class RateLimitedBackOff:
    """How long to wait when the answer says so: headers as (name, `SECONDS` or `UNIX_TIMESTAMP`)."""

    reset_headers: tuple[tuple[str, str], ...]
    max_interval: int | None = None


@dataclass(frozen=True, slots=True)
class HostPredicate:
    """Which hosts a retry avoids: those tried before, or those with tags."""

    omit_tags: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class RetryPolicy:
    """When and how often a request is sent again."""

    retry_on: str = ""
    num_retries: int | None = None
    per_try_timeout: int | None = None
    base_interval: int | None = None
    max_interval: int | None = None
    rate_limited: RateLimitedBackOff | None = None
    status_codes: tuple[int, ...] = ()
    request_headers: tuple[HeaderMatcher, ...] = ()
    response_headers: tuple[HeaderMatcher, ...] = ()
    host_predicates: tuple[HostPredicate, ...] = ()
    previous_priorities: int | None = None
    """Update frequency of the retry priority `previous_priorities`."""
    host_selection_attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Sends a copy of some requests to a cluster, whose answers nobody waits for; of all without a share."""

    cluster: str
    share: Fraction | None = None


HEADER, COOKIE, SOURCE_IP, QUERY_PARAMETER, FILTER_STATE = "header", "cookie", "source-ip", "query", "filter-state"
"""What a hash may be made of."""


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """Part of the hash by which a balancer picks an endpoint; `terminal` ends the list if it yields something.

    Attributes:
        kind: what it is made of.
        name: of that.
        ttl: of a cookie that is made where there is none, in nanoseconds; None makes none.
        path: of such a cookie.
    """

    kind: str
    name: str = ""
    ttl: int | None = None
    path: str = ""
    terminal: bool = False


@dataclass(slots=True)
class Forward:
    """Sends requests on, to one cluster or to several by weight.

    Attributes:
        split: whether even a single cluster is named with its weight.
        missing_is_error: whether a cluster that is not there is answered by 500 and not by 503.
    """

    clusters: tuple[WeightedCluster, ...]
    timeout: int | None = None
    idle_timeout: int | None = None
    retry: RetryPolicy | None = None
    auto_host_rewrite: bool = False
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    host_rewrite: str = ""
    host_rewrite_path_regex: RegexRewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    hash_policies: tuple[HashPolicy, ...] = ()
    split: bool = False
    missing_is_error: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """Sends the client elsewhere; what is empty stays as it was asked for."""

    status: int
    scheme: str = ""
    host: str = ""
    port: int = 0
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    strip_query: bool = False


@dataclass(slots=True)
class DirectResponse:
    """Answers without an upstream."""

    status: int
    body: str = ""


Action: TypeAlias = Forward | Redirect | DirectResponse


@dataclass(slots=True)
class Route:
    """One entry.

    Attributes:
        matches_hash: tells policies which rule of a MeshHTTPRoute it stands for.
        resource_origin: KRI of that MeshHTTPRoute.
        told: whether logs are told that a request took it.
    """

    match: RouteMatch
    action: Action
    name: str = ""
    request_headers_to_add: tuple[HeaderValue, ...] = ()
    request_headers_to_remove: tuple[str, ...] = ()
    response_headers_to_add: tuple[HeaderValue, ...] = ()
    response_headers_to_remove: tuple[str, ...] = ()
    matches_hash: str = ""
    resource_origin: str = ""

    @property
    def forwards(self) -> bool:
        """Whether requests are sent on."""
        return isinstance(self.action, Forward)

    rate_limit: RateLimit | None = None
    told: bool = False


@dataclass(slots=True)
class VirtualHost:
    """Routes for some host names; `require_tls` sends requests without TLS elsewhere."""

    name: str
    routes: list[Route] = field(default_factory=list)
    domains: tuple[str, ...] = ("*",)
    retry: RetryPolicy | None = None
    require_tls: bool = False
    response_headers_to_add: tuple[HeaderValue, ...] = ()


@dataclass(slots=True)
class RouteConfig:
    """Virtual hosts; `validate_clusters` None leaves the field out, `ignore_port` that of the asked host."""

    name: str
    virtual_hosts: list[VirtualHost]
    validate_clusters: bool | None = False
    request_headers_to_add: tuple[HeaderValue, ...] = ()
    request_headers_to_remove: tuple[str, ...] = ()
    max_direct_response_bytes: int | None = None
    ignore_port: bool = False

    @property
    def forwarding(self) -> list[tuple[Route, Forward]]:
        """All routes that forward, with their actions."""
        return [(r, r.action) for v in self.virtual_hosts for r in v.routes if isinstance(r.action, Forward)]
