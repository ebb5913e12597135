"""What does not have the shape of its kind is recognised, and only that."""

from __future__ import annotations

import pytest

from ursa.catalog import default_registry
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.shape import Shapes

REGISTRY = default_registry()
SHAPES = Shapes(REGISTRY)


@pytest.mark.parametrize("kind", REGISTRY.names)
def test_an_empty_spec_and_the_defaults_have_a_shape(kind: str) -> None:
    for spec in ({}, REGISTRY[kind].fill_defaults({}), {"field-of-the-future": [1]}):
        assert not SHAPES.objection(Resource(kind, "default", "x", spec))


@pytest.mark.parametrize(
    ("kind", "spec", "where"),
    [
        ("Dataplane", {"networking": 5}, "networking"),
        ("Dataplane", {"networking": {"inbound": [{"port": "secret"}]}}, "networking.inbound.port"),
        ("MeshTimeout", {"to": 5}, "spec.to"),
        ("MeshTimeout", {"to": [{"default": []}]}, "spec.to[0].default"),
        ("Secret", {"data": {"secret": 1}}, "data"),
        ("Zone", {"enabled": "secret"}, "enabled"),
        ("Unheard", {}, "type is not known"),
    ],
)
def test_another_shape_is_named_without_its_content(kind: str, spec: JsonObject, where: str) -> None:
    reason = SHAPES.objection(Resource(kind, "default", "x", spec))
    assert where in reason
    assert "secret" not in reason


def test_rules_of_another_version_are_no_matter_of_shape() -> None:
    spec = {"to": [{"targetRef": {"kind": "Galaxy"}, "default": {"connectionTimeout": "five"}}]}
    assert not SHAPES.objection(Resource("MeshTimeout", "default", "x", spec))
