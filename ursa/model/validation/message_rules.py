"""The rules that Envoy's protobuf messages carry themselves (`validate.rules`), read from their descriptors.

Envoy refuses a message that breaks one. The texts are those that Go programs print for these rules; Kuma puts the first
one into its answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from google.protobuf.message import Message

from ursa.model.json import Json
from ursa.model.validation.value_rules import broken_value_rule

Rules: TypeAlias = Json
"""A message of `validate.proto`, whose fields are read by name."""

Options: TypeAlias = Json
"""Options of a message, field or oneof; their stubs have no common type."""

Field: TypeAlias = Json
"""Descriptor of a field, of which the runtime has two classes."""

_REQUIRED = "value is required"
_EMBEDDED = "embedded message failed validation | caused by: "


def broken_rule(message: Message) -> str:
    """The first rule that a message breaks, empty when there is none; packed messages inside are not looked into."""
    descriptor = message.DESCRIPTOR
    if _extension(descriptor.GetOptions(), "disabled"):
        return ""
    for field in descriptor.fields:
        for place, reason in _broken_in(message, field):
            return f"invalid {descriptor.name}.{_go_name(field.name)}{place}: {reason}"
    for oneof in descriptor.oneofs:
        if _extension(oneof.GetOptions(), "required") and message.WhichOneof(oneof.name) is None:
            return f"invalid {descriptor.name}.{_go_name(oneof.name)}: {_REQUIRED}"
    return ""


def _broken_in(message: Message, field: Field) -> Iterator[tuple[str, str]]:
    """Broken rules of one field: where in it, and why."""
    rules = _extension(field.GetOptions(), "rules")
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _broken_in_map(value, rules)
    elif field.is_repeated:
        yield from _broken_in_list(value, rules)
    elif field.has_presence and not message.HasField(field.name):
        # Of a oneof one field is enough; the oneof itself says whether none is.
        if rules is not None and field.containing_oneof is None and _is_required(rules):
            yield "", _REQUIRED
    elif rules is not None and rules.enum.defined_only and value not in field.enum_type.values_by_number:
        yield "", "value must be one of the defined enum values"
    elif reason := _broken_value(value, rules):
        yield "", reason


def _broken_in_list(values: Sequence[Json], rules: Rules) -> Iterator[tuple[str, str]]:
    items = None
    if rules is not None and rules.HasField("repeated"):
        bounds = rules.repeated
        if len(values) < bounds.min_items:
            yield "", f"value must contain at least {bounds.min_items} item(s)"
        if bounds.HasField("max_items") and len(values) > bounds.max_items:
            yield "", f"value must contain no more than {bounds.max_items} item(s)"
        if bounds.unique and len({repr(value) for value in values}) < len(values):
            yield "", "repeated value must contain unique items"
        items = bounds.items if bounds.HasField("items") else None
    for index, value in enumerate(values):
        if reason := _broken_value(value, items):
            yield f"[{index}]", reason


def _broken_in_map(values: Json, rules: Rules) -> Iterator[tuple[str, str]]:
    bounds = rules.map if rules is not None and rules.HasField("map") else None
    if bounds is not None and len(values) < bounds.min_pairs:
        yield "", f"value must contain at least {bounds.min_pairs} pair(s)"
    for key in sorted(values):
        keys, inner = (bounds.keys, bounds.values) if bounds is not None else (None, None)
        if reason := _broken_value(key, keys) or _broken_value(values[key], inner):
            yield f"[{key}]", reason


def _broken_value(value: Json, rules: Rules) -> str:
    if rules is not None and (reason := broken_value_rule(value, rules)):
        return reason
    if isinstance(value, Message) and not _skipped(rules) and (inner := broken_rule(value)):
        return _EMBEDDED + inner
    return ""


def _skipped(rules: Rules) -> bool:
    return rules is not None and rules.HasField("message") and rules.message.skip


def _is_required(rules: Rules) -> bool:
    kind = rules.WhichOneof("type")
    return bool(rules.message.required or (kind in ("any", "duration", "timestamp") and getattr(rules, kind).required))


def _extension(options: Options, name: str) -> Rules:
    from validate import validate_pb2  # loads with Envoy's messages only, which are big

    extension = getattr(validate_pb2, name)
    return options.Extensions[extension] if options.HasExtension(extension) else None


def _go_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
