"""Conditions of retries, in Envoy's words."""

from __future__ import annotations

HTTP_DEFAULT = "gateway-error,connect-failure,refused-stream"
GRPC_DEFAULT = "cancelled,connect-failure,gateway-error,refused-stream,reset,resource-exhausted,unavailable"
RETRIABLE_STATUS_CODES = "retriable-status-codes"
