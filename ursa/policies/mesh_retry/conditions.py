"""The words of `retryOn`: which exist, and what they are called in Envoy."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

HTTP_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "5xx": "5xx",
        "GatewayError": "gateway-error",
        "Reset": "reset",
        "Retriable4xx": "retriable-4xx",
        "ConnectFailure": "connect-failure",
        "EnvoyRatelimited": "envoy-ratelimited",
        "RefusedStream": "refused-stream",
        "Http3PostConnectFailure": "http3-post-connect-failure",
    }
)

# Kuma writes `canceled`, which Envoy does not know; the condition is spelled with two l.
GRPC_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "Canceled": "cancelled",
        "DeadlineExceeded": "deadline-exceeded",
        "Internal": "internal",
        "ResourceExhausted": "resource-exhausted",
        "Unavailable": "unavailable",
    }
)

METHODS: Mapping[str, str] = MappingProxyType(
    {
        f"HttpMethod{name.capitalize()}": name
        for name in ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
    }
)
"""Conditions that limit retries to a request method."""


def status_code(condition: str) -> int | None:
    """The status code that a condition consists of, None when it is a word or no known code."""
    code = int(condition) if condition.isdecimal() else 0
    return code if code in {status.value for status in HTTPStatus} else None


def is_known(condition: str) -> bool:
    """Whether `http.retryOn` may hold this."""
    return condition in HTTP_CONDITIONS or condition in METHODS or status_code(condition) is not None
