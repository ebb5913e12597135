"""Templates in resources: what they say, and what is said of those that are none."""

from __future__ import annotations

import pytest

from ursa.errors import BadRequest
from ursa.model.go_templates import parse, render

FIELDS = {"Name": "web", "Zone": "east"}
LABELS = {"team": "a"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}}.{{ .Zone }}.mesh", "web.east.mesh"),
        ('{{ label "team" }}-{{ label `team` }}', "a-a"),
        ("a {{- .Name -}} b", "awebb"),
        ("a{{/* nothing */}}b", "ab"),
    ],
)
def test_values_take_the_place_of_actions(template: str, text: str) -> None:
    assert render(parse(template), FIELDS, LABELS) == text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a\n{{.s", "template: :2: unclosed action"),
        ("{{ foo }}", 'template: :1: function "foo" not defined'),
        ("{{}}", "template: :1: missing value for command"),
        ("{{ .A.B }}", 'template: :1: unexpected ".A.B" in command'),
    ],
)
def test_what_is_no_template_is_refused(template: str, reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(template)
    assert str(caught.value) == reason


def test_what_is_not_there_is_an_error_unless_something_stands_for_it() -> None:
    assert render(parse("{{ .Nope }}"), FIELDS, absent="<no value>") == "<no value>"
    for template in ("{{ .Nope }}", '{{ label "nope" }}'):
        with pytest.raises(BadRequest):
            render(parse(template), FIELDS, LABELS)
