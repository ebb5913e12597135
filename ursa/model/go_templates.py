"""The templates in Kuma's resources: what Go programs call text templates, as far as host names and ports need them.

Text with actions in double braces, each a field (`{{ .DisplayName }}`), a label (`{{ label "team" }}`) or a comment;
`{{-` and `-}}` take the white space beside them away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ursa.errors import BadRequest

_COMMENT = re.compile(r"/\*.*\*/", re.DOTALL)
_FIELD = re.compile(r"\.(\w+)")
_LABEL = re.compile(r"label\s+(?:\"([^\"\\\n]*)\"|`([^`]*)`)")
_WORD = re.compile(r"\w+")


class Part(NamedTuple):
    """A piece of a template: a text, or the name of a field or label whose value stands in its place."""

    kind: str
    text: str


TEXT, FIELD, LABEL = "text", "field", "label"


def parse(template: str) -> tuple[Part, ...]:
    """The pieces of a template.

    Raises:
        BadRequest: it is none; the text is that of Go's own parser where it has the same complaint.
    """
    parts: list[Part] = []
    rest, strip = template, False
    while rest:
        text, opening, rest = rest.partition("{{")
        text = text.lstrip() if strip else text
        if not opening:
            parts.append(Part(TEXT, text))
            break
        line = template[: len(template) - len(rest)].count("\n") + 1
        action, closing, rest = rest.partition("}}")
        if not closing:
            raise BadRequest(f"template: :{line}: unclosed action")
        parts.append(Part(TEXT, text.rstrip() if action[:2] in ("- ", "-\n", "-\t") else text))
        strip = action[-2:] in (" -", "\n-", "\t-")
        body = action.strip().removeprefix("- ").removesuffix(" -").strip()
        if not _COMMENT.fullmatch(body):
            parts.append(_action(body, line))
    return tuple(part for part in parts if part.text)


def render(
    parts: Sequence[Part],
    fields: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
    *,
    absent: str | None = None,
) -> str:
    """The text of a template.

    Args:
        parts: what `parse` gave.
        fields: values of fields.
        labels: values of labels.
        absent: what stands for a field that is not there.

    Raises:
        BadRequest: a label is not there, or a field and nothing stands for it.
    """
    return "".join(_value(part, fields, labels or {}, absent) for part in parts)


def _value(part: Part, fields: Mapping[str, str], labels: Mapping[str, str], absent: str | None) -> str:
    if part.kind == TEXT:
        return part.text
    known = fields if part.kind == FIELD else labels
    if part.text in known:
        return known[part.text]
    if part.kind == FIELD and absent is not None:
        return absent
    raise BadRequest(f"label {part.text} not found" if part.kind == LABEL else f"cannot evaluate .{part.text}")


def _action(body: str, line: int) -> Part:
    if match := _FIELD.fullmatch(body):
        return Part(FIELD, match[1])
    if match := _LABEL.fullmatch(body):
        return Part(LABEL, match[1] or match[2] or "")
    if not body:
        raise BadRequest(f"template: :{line}: missing value for command")
    word = _WORD.match(body)
    if word is not None and word[0] != "label":
        raise BadRequest(f'template: :{line}: function "{word[0]}" not defined')
    raise BadRequest(f'template: :{line}: unexpected "{body}" in command')
