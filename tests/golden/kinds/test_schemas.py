"""The schemas of JSON kinds against the trees of the specification: every field, what it must be, what it is unsaid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ursa.model.kinds import services
from ursa.model.schema import load_schema, violations, with_defaults
from ursa.policies.catalog import policy_kinds
from ursa.testing import shared_folder

KINDS = [kind.name for kind in (*policy_kinds(), *services.KINDS) if kind.name != "Workload"]
LINE = re.compile(r"(?P<indent> *)- (?P<name>\w+)(?P<required>!?): (?P<text>.*)")
BOUNDS = {
    "minLength": r"min length (\d+)",
    "maxLength": r"max length (\d+)",
    "minItems": r"min items (\d+)",
    "maxItems": r"max items (\d+)",
    "minimum": r"≥(\d+)",
    "maximum": r"≤(\d+)",
}
Fields = dict[tuple[str, ...], tuple[bool, str]]


def specified(kind: str, part: str) -> Fields:
    """Path of every field in the tree of a kind: whether it is required, and what is said of it."""
    folder = shared_folder()
    assert folder is not None
    text = (folder / "spec" / "schemas.md").read_text()
    block = text.partition(f"\n## {kind}\n")[2].partition("```\n")[2].partition("```")[0]
    found: Fields = {}
    current, path = "", []
    for line in block.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            current = line.strip()
            continue
        depth = len(match["indent"]) // 2 - 1
        path = [*path[:depth], match["name"]]
        if current == part:
            found[tuple(path)] = (bool(match["required"]), match["text"])
    return found


def declared(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool, Any]]:
    """Path of every field of a schema, whether it is required, and its own schema."""
    for name, field in schema.get("properties", {}).items():
        yield (*path, name), name in schema.get("required", ()), field
        yield from declared(field.get("items", field), (*path, name))


@pytest.mark.skipif(shared_folder() is None, reason="the specification is not present")
@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_as_specified(kind: str, part: str) -> None:
    wanted = specified(kind, part)
    fields = {path: (required, field) for path, required, field in declared(load_schema(kind, part))}
    assert fields.keys() == wanted.keys()
    for path, (required, text) in wanted.items():
        needed, field = fields[path]
        inner = field.get("items", field)
        bounds = {name: re.search(pattern, text) for name, pattern in BOUNDS.items()}
        assert needed == required, path
        assert (field.get("type") == "array") == text.startswith("["), path
        for name, match in bounds.items():
            assert {**inner, **field}.get(name) == (int(match[1]) if match else None), (path, name)
        assert [str(one) for one in inner.get("enum", ())] == choices(text), path
        default = re.search(r"default (?:'([^']*)'|(\w+))", text)
        assert str(inner.get("default")) == (default[1] or default[2] if default else "None"), path


def choices(text: str) -> list[str]:
    """The values that a field's description offers."""
    inside = text.partition(" (")[2].removesuffix(")")
    first = inside.removeprefix("items of ").partition(";")[0]
    alone = re.fullmatch(r"[A-Z]\w*", first)
    return first.split("|") if alone or re.fullmatch(r"[\w|\-]+\|[\w|\-]+", first) else []


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_keep_the_schema_they_stand_in(kind: str) -> None:
    for path, _, field in declared(load_schema(kind)):
        if "default" in field:
            value = json.loads(json.dumps(field["default"]))
            assert list(violations(with_defaults(value, field), field, ".".join(path))) == []
