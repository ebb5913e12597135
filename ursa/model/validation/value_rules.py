"""Rules of single values in protobuf messages: bounds of numbers and durations, lengths and forms of texts."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator

from google.protobuf.message import Message

from ursa.model.duration import format_go
from ursa.model.json import Json
from ursa.model.validation.addresses import is_ip

_BOUNDS: tuple[tuple[str, str, Callable[[Json, Json], bool]], ...] = (
    ("gt", "greater than", operator.gt),
    ("gte", "greater than or equal to", operator.ge),
    ("lt", "less than", operator.lt),
    ("lte", "less than or equal to", operator.le),
)
_STRICT_FORMS = {1: r"^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$", 2: r"^[^\x00-\x08\x0A-\x1F\x7F]*$"}
_LOOSE_FORM = r"^[^\x00\x0A\x0D]*$"
"""Patterns of names (1) and values (2) of headers."""

_LENGTHS = (
    ("min_len", "length must be at least", "runes", operator.ge, len),
    ("max_len", "length must be at most", "runes", operator.le, len),
    ("min_bytes", "length must be at least", "bytes", operator.ge, lambda text: len(text.encode())),
    ("max_bytes", "length must be at most", "bytes", operator.le, lambda text: len(text.encode())),
)


def broken_value_rule(value: Json, rules: Json) -> str:
    """Why a value breaks its field's rules (a `validate.FieldRules`), empty when it does not."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return ""
    own = getattr(rules, kind)
    if getattr(own, "ignore_empty", False) and not value:
        return ""
    if isinstance(value, Message) and kind not in ("duration", "any", "timestamp", "message"):
        value = getattr(value, "value", value)  # a wrapped scalar
    if kind == "string":
        return next(_text(value, own), "")
    if kind == "enum":
        return f"value must not be in list {list(own.not_in)}" if value in own.not_in else ""
    if kind == "duration":
        return _compared(value.ToNanoseconds(), own, lambda bound: int(bound.ToNanoseconds()), format_go)
    if kind == "bool":
        return f"value must equal {str(own.const).lower()}" if own.HasField("const") and value != own.const else ""
    if kind in ("bytes", "any", "timestamp", "message", "repeated", "map"):
        return ""
    return _compared(value, own, lambda bound: bound, lambda bound: f"{bound:g}")


def _compared(value: Json, rules: Json, read: Callable[[Json], Json], show: Callable[[Json], str]) -> str:
    bounds = [(name, text, holds, read(getattr(rules, name))) for name, text, holds in _BOUNDS if rules.HasField(name)]
    if all(holds(value, bound) for _, _, holds, bound in bounds):
        return ""
    if len(bounds) == 1:
        return f"value must be {bounds[0][1]} {show(bounds[0][3])}"
    (low, _, _, lowest), (high, _, _, highest) = bounds
    opening, closing = "[" if low == "gte" else "(", "]" if high == "lte" else ")"
    return f"value must be inside range {opening}{show(lowest)}, {show(highest)}{closing}"


def _text(value: str, rules: Json) -> Iterator[str]:
    for name, text, unit, holds, measure in _LENGTHS:
        if rules.HasField(name) and not holds(measure(value), getattr(rules, name)):
            yield f"value {text} {getattr(rules, name)} {unit}"
    if rules.HasField("prefix") and not value.startswith(rules.prefix):
        yield f'value does not have prefix "{rules.prefix}"'
    if getattr(rules, "in") and value not in getattr(rules, "in"):
        yield f"value must be in list [{' '.join(getattr(rules, 'in'))}]"
    if rules.not_in and value in rules.not_in:
        yield f"value must not be in list [{' '.join(rules.not_in)}]"
    if rules.ip and not is_ip(value):
        yield "value must be a valid IP address"
    pattern = rules.pattern
    if rules.well_known_regex:
        strict = rules.strict or not rules.HasField("strict")
        pattern = _STRICT_FORMS[rules.well_known_regex] if strict else _LOOSE_FORM
    if pattern and not re.search(pattern, value):
        yield f'value does not match regex pattern "{pattern}"'
