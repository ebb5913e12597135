"""Retry: when requests and connections are tried again (`spec` §3.8)."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir import routes as ir
from ursa.ir.listener import Listener
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.core.retries import GRPC_DEFAULT, HTTP_DEFAULT, RETRIABLE_STATUS_CODES
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "Retry"
_WITHOUT_RETRIES = frozenset({"http2", "kafka"})


def try_again(listener: Listener, protocol: str, policy: ConnectionPolicy) -> None:
    """Writes the retries on virtual hosts, where those of single routes win, and on TCP proxies."""
    if protocol in _WITHOUT_RETRIES:
        return
    conf: JsonObject = policy.resource.spec.get("conf", {})
    for chain in listener.chains:
        if (manager := chain.http) is not None and protocol in conf:
            for host in manager.route_config.virtual_hosts:
                host.retry = retry_policy(conf[protocol], protocol)
        elif (proxy := chain.tcp) is not None and "tcp" in conf:
            proxy.max_connect_attempts = conf["tcp"].get("maxConnectAttempts")


def retry_policy(conf: JsonObject, protocol: str) -> ir.RetryPolicy:
    """The retries that the section for a protocol asks for."""
    back_off: JsonObject = conf.get("backOff", {})
    codes = tuple(conf.get("retriableStatusCodes", ()))
    return ir.RetryPolicy(
        retry_on=_conditions(conf.get("retryOn", ()), GRPC_DEFAULT if protocol == "grpc" else HTTP_DEFAULT, codes),
        num_retries=conf.get("numRetries"),
        per_try_timeout=_ns(conf, "perTryTimeout"),
        base_interval=_ns(back_off, "baseInterval"),
        max_interval=_ns(back_off, "maxInterval"),
        status_codes=codes,
        request_headers=tuple(
            ir.HeaderMatcher(":method", ir.EXACT, method) for method in conf.get("retriableMethods", ())
        ),
    )


def _conditions(names: Iterable[str], default: str, codes: tuple[int, ...]) -> str:
    found = [name.removeprefix("all_").replace("_", "-") for name in names] or [default]
    if codes and RETRIABLE_STATUS_CODES not in found:
        found.append(RETRIABLE_STATUS_CODES)
    return ",".join(found)


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_proto(value)
