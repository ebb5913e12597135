"""Texts of people and launchers become documents, unless they are made to exhaust whoever reads them."""

from __future__ import annotations

import pytest

from ursa.errors import BadRequest
from ursa.model.documents import MAX_DEPTH, load_documents


def test_aliases_stand_for_what_they_name() -> None:
    assert load_documents("a: &a {b: 1}\nc: [*a, *a]\n---\nd: 2\n") == [{"a": {"b": 1}, "c": [{"b": 1}] * 2}, {"d": 2}]


def nested(depth: int) -> str:
    """A mapping with lists inside each other, so many levels in all."""
    return "a: " + "[" * (depth - 1) + "]" * (depth - 1)


def test_depth_has_a_limit() -> None:
    assert load_documents(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(BadRequest, match=r"deeper than|maximum nesting depth"):
            load_documents(nested(depth))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: {c: *a}}",
        "\n".join(["k0: &k0 [x, x]", *(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]" for n in range(1, 8))]),
    ],
)
def test_aliases_cannot_blow_a_document_up(text: str) -> None:
    with pytest.raises(BadRequest, match="aliases"):
        load_documents(text)


def test_the_line_end_after_a_document_does_not_belong_to_its_last_text() -> None:
    text = "first: |\n  a\n  b\nlast:\n- |\n  c\n  d\n---\n  indented: |\n    e\n---\nempty: {}\n"
    assert load_documents(text) == [{"first": "a\nb\n", "last": ["c\nd"]}, {"indented": "e"}, {"empty": {}}]


def test_a_quoted_text_at_the_end_keeps_its_line_ends() -> None:
    assert load_documents("a: \"b\\n\"\n\n---\nc: 'd\n\n  '\n") == [{"a": "b\n"}, {"c": "d\n"}]


def test_mistakes_are_told_with_the_document_they_are_in() -> None:
    with pytest.raises(BadRequest, match=r"not valid YAML: line 5, column 1: did not find"):
        load_documents("a: 1\n\n---\nb: [\n")
