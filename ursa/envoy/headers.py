"""Headers: conditions on them, and values to add."""

from __future__ import annotations

from ursa.envoy.values import Fields
from ursa.ir import routes as ir


def header_matcher(of: ir.HeaderMatcher) -> Fields:
    """`HeaderMatcher`."""
    condition: Fields
    match of.kind:
        case ir.PRESENT:
            condition = {"present_match": True}
        case ir.ABSENT:
            condition = {"present_match": False}
        case ir.REGEX if of.by_string:
            condition = {"string_match": {"safe_regex": {"regex": of.value}}}
        case ir.REGEX:
            condition = {"safe_regex_match": {"regex": of.value}}
        case ir.PREFIX if of.by_string:
            condition = {"string_match": {"prefix": of.value}}
        case ir.PREFIX:
            condition = {"prefix_match": of.value}
        case _:
            condition = {"string_match": {"exact": of.value}}
    return {"name": of.name, "invert_match": of.inverted, **condition}


def header_value(of: ir.HeaderValue) -> Fields:
    """`HeaderValueOption`."""
    action = "OVERWRITE_IF_EXISTS_OR_ADD" if of.overwrite else "APPEND_IF_EXISTS_OR_ADD"
    return {"header": {"key": of.name, "value": of.value}, "append_action": action}
