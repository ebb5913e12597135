"""MeshRetry: when routes and TCP proxies try again (`spec` §3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ursa.ir import routes as ir
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.retries import GRPC_DEFAULT, HTTP_DEFAULT, RETRIABLE_STATUS_CODES
from ursa.policies.mesh_retry.conditions import GRPC_CONDITIONS, HTTP_CONDITIONS, METHODS, status_code
from ursa.policies.plugin import DestinationRules, OutboundTarget, PolicyPlugin

GRPC_BASE_INTERVAL = 25_000_000
"""Given to Envoy when only the maximum interval of a gRPC back-off is set, because it needs both."""

_MATCH_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "Exact": ir.EXACT,
        "Prefix": ir.PREFIX,
        "RegularExpression": ir.REGEX,
        "Present": ir.PRESENT,
        "Absent": ir.ABSENT,
    }
)


class MeshRetryPlugin(PolicyPlugin):
    """Writes retry policies on every route of an HTTP or gRPC outbound, and connection attempts on TCP ones."""

    kind = "MeshRetry"

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        for chain in target.listener.chains:
            if (manager := chain.http) is not None:
                for route, forward in manager.route_config.forwarding:
                    conf = rules.route_conf(target, route)
                    policy = retry_policy(conf, target.protocol) if conf is not None else None
                    forward.retry = policy or forward.retry
            elif (proxy := chain.tcp) is not None and target.protocol == "tcp":
                tcp: JsonObject = (rules.conf(target) or {}).get("tcp") or {}
                proxy.max_connect_attempts = tcp.get("maxConnectAttempt", proxy.max_connect_attempts)


def retry_policy(conf: JsonObject, protocol: str) -> ir.RetryPolicy | None:
    """The retry policy of routes with a protocol, None when the conf has none for it or allows no retries."""
    if protocol not in ("http", "grpc"):
        return None
    section: JsonObject | None = conf.get(protocol)
    if section is None or section.get("numRetries") == 0:
        return None
    policy = ir.RetryPolicy(num_retries=section.get("numRetries"), per_try_timeout=_ns(section.get("perTryTimeout")))
    _back_off(policy, section, protocol)
    if protocol == "http":
        _http_conditions(policy, section)
    else:
        names = [GRPC_CONDITIONS[name] for name in section.get("retryOn") or ()]
        policy.retry_on = ",".join(names) or GRPC_DEFAULT
    return policy


def _back_off(policy: ir.RetryPolicy, section: JsonObject, protocol: str) -> None:
    back_off: JsonObject = section.get("backOff") or {}
    policy.base_interval, policy.max_interval = _ns(back_off.get("baseInterval")), _ns(back_off.get("maxInterval"))
    if protocol == "grpc" and policy.base_interval is None and policy.max_interval is not None:
        policy.base_interval = GRPC_BASE_INTERVAL
    limited = section.get("rateLimitedBackOff")
    if limited is not None:
        formats = {"Seconds": "SECONDS", "UnixTimestamp": "UNIX_TIMESTAMP"}
        headers = tuple((h["name"], formats[h["format"]]) for h in limited.get("resetHeaders") or ())
        policy.rate_limited = ir.RateLimitedBackOff(headers, _ns(limited.get("maxInterval")))


def _http_conditions(policy: ir.RetryPolicy, section: JsonObject) -> None:
    conditions: list[str] = section.get("retryOn") or []
    names = [HTTP_CONDITIONS[one] for one in conditions if one in HTTP_CONDITIONS]
    codes = tuple(code for one in conditions if (code := _code(one)) is not None)
    methods = tuple(ir.HeaderMatcher(":method", ir.EXACT, METHODS[one]) for one in conditions if one in METHODS)
    policy.retry_on = ",".join(names) or HTTP_DEFAULT
    if codes:
        policy.retry_on += f",{RETRIABLE_STATUS_CODES}"
    policy.status_codes = codes
    policy.request_headers = (*methods, *map(_header, section.get("retriableRequestHeaders") or ()))
    policy.response_headers = tuple(map(_header, section.get("retriableResponseHeaders") or ()))
    policy.host_selection_attempts = _integer(section.get("hostSelectionMaxAttempts"))
    predicates = []
    for choice in section.get("hostSelection") or ():
        match choice["predicate"]:
            case "OmitPreviousHosts":
                predicates.append(ir.HostPredicate())
            case "OmitHostsWithTags":
                predicates.append(ir.HostPredicate(tuple(sorted((choice.get("tags") or {}).items()))))
            case "OmitPreviousPriorities":
                policy.previous_priorities = int(choice.get("updateFrequency") or 2)
    policy.host_predicates = tuple(predicates)


def _code(condition: str) -> int | None:
    return None if condition in HTTP_CONDITIONS else status_code(condition)


def _header(conf: JsonObject) -> ir.HeaderMatcher:
    kind = _MATCH_KINDS[conf.get("type") or "Exact"]
    return ir.HeaderMatcher(conf["name"], kind, conf.get("value") or "", by_string=True)


def _integer(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _ns(value: str | None) -> int | None:
    return None if value is None else parse_go(value)
