"""Every row of the configuration tables of Kuma: key, variable and default are ours, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest

from ursa.runtime.config import Settings, describe
from ursa.testing import shared_folder

SHARED = shared_folder()
ROW = re.compile(r"\| `(?P<key>[\w.]+)` \| (?:`(?P<variable>KUMA_\w+)`|–) \| (?P<type>\w+) \| (?P<default>.*?) \| .*\|")


class Row(NamedTuple):
    key: str
    variable: str
    default: str


def rows() -> Iterator[Row]:
    """The rows of all tables."""
    text = (SHARED / "spec/config.md").read_text() if SHARED is not None else ""
    for line in text.splitlines():
        if match := ROW.fullmatch(line.strip()):
            yield Row(match["key"], (match["variable"] or "").removeprefix("KUMA_"), match["default"])


def leaf(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document[part]
    return document


OURS = {
    "store.type": "durable by default",
    "store.postgres.password": "never shown",
}
"""Settings whose default is not shown as in the table, and why."""


@pytest.mark.skipif(SHARED is None, reason="specifications are not present")
def test_every_row() -> None:
    described = {d.key: d for d in describe()}
    defaults = Settings().model_dump(mode="json", by_alias=True)
    wrong = []
    for row in rows():
        if row.key not in described:
            wrong.append((row.key, "is missing"))
            continue
        if described[row.key].variable != row.variable:
            wrong.append((row.key, described[row.key].variable, row.variable))
        value = leaf(defaults, row.key)
        shown = value if isinstance(value, str) else orjson.dumps(value).decode()
        expected = row.default.strip("`").replace("(empty)", "")
        if (
            expected != "list, see below"
            and shown.replace(" ", "") != expected.replace(" ", "")
            and row.key not in OURS
        ):
            wrong.append((row.key, value, row.default))
    assert not wrong
    assert len(list(rows())) > 300


def test_variables_are_unique_and_every_group_is_described() -> None:
    variables = [d.variable for d in describe() if d.variable]
    assert len(variables) == len(set(variables))
