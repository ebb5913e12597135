"""The protobuf messages of flat kinds against the tables of the specification: numbers, names, types, oneofs."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from google.protobuf import descriptor_pool

from ursa.testing import shared_folder

PACKAGE = "kuma.mesh.v1alpha1"
SCALARS = {"string": 9, "bool": 8, "uint32": 13, "uint64": 4}
ROW = re.compile(r"\| (?P<enum>enum )?(?P<name>[A-Z][\w.]*) \| (?P<body>\d.*) \|")
FIELD = re.compile(
    r"(?P<number>\d+) (?P<name>\w+) (?P<repeated>repeated |map<)?(?P<type>[\w.]+).*?(?:\{oneof (?P<oneof>\w+)\})?$"
)


def rows() -> list[Any]:
    """Name and members of every message and enum in the tables."""
    folder = shared_folder()
    if folder is None:
        return []
    text = (folder / "spec" / "policies-legacy.md").read_text().replace(" †", "")
    tables = text[text.index("## 1. Protobuf tables") : text.index("## 2. Matching")]
    found = (ROW.fullmatch(line) for line in tables.splitlines())
    return [pytest.param(row["enum"], row["name"], row["body"], id=row["name"]) for row in found if row]


@pytest.mark.parametrize(("enum", "name", "body"), rows())
def test_a_message_is_as_specified(enum: str | None, name: str, body: str) -> None:
    importlib.import_module("ursa.wire.mesh_pb2")
    pool = descriptor_pool.Default()
    if enum:
        values = pool.FindEnumTypeByName(f"{PACKAGE}.{name}").values_by_name
        assert {value: int(number) for number, value in re.findall(r"(\d+) (\w+)", body)} == {
            value: descriptor.number for value, descriptor in values.items()
        }
        return
    message = pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
    for part in body.split("; "):
        wanted = FIELD.match(part)
        assert wanted is not None, part
        field = message.fields_by_number[int(wanted["number"])]
        oneof = field.containing_oneof.name if field.containing_oneof else None
        assert (field.name, field.is_repeated, oneof) == (wanted["name"], bool(wanted["repeated"]), wanted["oneof"])
        if wanted["type"] in SCALARS and wanted["repeated"] != "map<":
            assert field.type == SCALARS[wanted["type"]]
