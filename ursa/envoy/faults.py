"""Faults made on purpose."""

from __future__ import annotations

from envoy.extensions.common.matching.v3.extension_matcher_pb2 import ExtensionWithMatcher
from envoy.extensions.filters.common.matcher.action.v3.skip_action_pb2 import SkipFilter
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault

from ursa.envoy.headers import header_matcher
from ursa.envoy.rbac import any_uri_san
from ursa.envoy.values import Fields, duration, fractional, packed
from ursa.ir.faults import Fault
from ursa.ir.listener import HttpFault

FAULT = "envoy.filters.http.fault"


def fault_filter(of: HttpFault) -> Fields:
    """`HttpFilter`; one made in the name of a policy is skipped for clients that it is not for."""
    fault: Fields = {"name": FAULT, "typed_config": packed(_fault(of.fault))}
    if not of.policy:
        return fault
    matcher: Fields = {}
    if of.sans:
        skip = {"action": {"name": "skip", "typed_config": packed(SkipFilter())}}
        others = {"not_matcher": any_uri_san(of.sans)}
        matcher = {"matcher_list": {"matchers": [{"predicate": others, "on_match": skip}]}}
    config = ExtensionWithMatcher(extension_config=fault, xds_matcher=matcher)
    return {"name": of.policy, "typed_config": packed(config)}


def _fault(of: Fault) -> HTTPFault:
    fields: Fields = {"headers": [header_matcher(header) for header in of.headers]}
    if (abort := of.abort) is not None:
        fields["abort"] = {"http_status": abort.status, "percentage": fractional(abort.share)}
    if (delay := of.delay) is not None:
        fields["delay"] = {"fixed_delay": duration(delay.duration), "percentage": fractional(delay.share)}
    if (slow := of.slow_response) is not None:
        limit = {"limit_kbps": slow.kbps}
        fields["response_rate_limit"] = {"fixed_limit": limit, "percentage": fractional(slow.share)}
    return HTTPFault(**fields)
