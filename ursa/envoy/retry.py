"""Retry policies."""

from __future__ import annotations

from envoy.extensions.retry.host.omit_host_metadata.v3.omit_host_metadata_config_pb2 import OmitHostMetadataConfig
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)

from ursa.envoy.headers import header_matcher
from ursa.envoy.values import Fields, optional_duration, optional_wrapped, packed, present, string_struct
from ursa.ir.routes import HostPredicate, RetryPolicy


def retry_policy(of: RetryPolicy) -> Fields:
    """`RetryPolicy`."""
    fields = present(
        retry_on=of.retry_on,
        num_retries=optional_wrapped(of.num_retries),
        per_try_timeout=optional_duration(of.per_try_timeout),
        retriable_status_codes=list(of.status_codes),
        retriable_request_headers=[header_matcher(h) for h in of.request_headers],
        retriable_headers=[header_matcher(h) for h in of.response_headers],
        retry_host_predicate=[_host_predicate(p) for p in of.host_predicates],
        host_selection_retry_max_attempts=of.host_selection_attempts,
    )
    if of.base_interval is not None or of.max_interval is not None:
        fields["retry_back_off"] = present(
            base_interval=optional_duration(of.base_interval), max_interval=optional_duration(of.max_interval)
        )
    if of.rate_limited is not None:
        headers = [{"name": name, "format": style} for name, style in of.rate_limited.reset_headers]
        fields["rate_limited_retry_back_off"] = present(
            reset_headers=headers, max_interval=optional_duration(of.rate_limited.max_interval)
        )
    if of.previous_priorities is not None:
        config = PreviousPrioritiesConfig(update_frequency=of.previous_priorities)
        fields["retry_priority"] = {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": packed(config),
        }
    return fields


def _host_predicate(of: HostPredicate) -> Fields:
    if not of.omit_tags:
        typed = packed(PreviousHostsPredicate())
        return {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": typed}
    config = OmitHostMetadataConfig(metadata_match={"filter_metadata": {"envoy.lb": string_struct(dict(of.omit_tags))}})
    return {"name": "envoy.retry_host_predicates.omit_host_metadata", "typed_config": packed(config)}
