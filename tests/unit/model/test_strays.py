"""Fields that a kind does not have are told, at any depth, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.catalog import default_registry
from ursa.model.strays import MOST, stray_fields

IGNORED = "is not a field of this type and was ignored"


def told(document: dict[str, Any]) -> list[str]:
    return list(stray_fields(document, default_registry()[document["type"]]))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {
                "type": "MeshTimeout",
                "mesh": "default",
                "name": "t",
                "spec": {"to": [{"default": {"http": {"idle": 1}}}]},
            },
            [f"spec.to[0].default.http.idle {IGNORED}"],
        ),
        (
            {"type": "MeshTimeout", "name": "t", "specs": {}, "spec": {"targetRef": {"lables": {"any": "thing"}}}},
            [f"specs {IGNORED}, did you mean spec?", f"spec.targetRef.lables {IGNORED}, did you mean labels?"],
        ),
        (
            {"type": "Dataplane", "mesh": "default", "name": "d", "networking": {"inbound": [{"prot": 1}]}},
            [f"networking.inbound[0].prot {IGNORED}, did you mean port?"],
        ),
        ({"type": "Mesh", "name": "m", "mtlss": {}}, [f"mtlss {IGNORED}, did you mean mtls?"]),
    ],
)
def test_a_mistyped_field_is_told(document: dict[str, Any], expected: list[str]) -> None:
    assert told(document) == expected


def test_both_spellings_of_a_protobuf_field_and_all_keys_of_maps_are_known() -> None:
    inbound = {"port": 1, "service_port": 2, "servicePort": 2, "tags": {"team": "a", "any-key": "b"}}
    networking = {"address": "127.0.0.1", "inbound": [inbound], "transparentProxying": {"redirect_port_inbound": 3}}
    meta = {"mesh": "m", "name": "d", "labels": {"team": "a"}, "creationTime": "x", "modificationTime": "y", "kri": "z"}
    assert told({"type": "Dataplane", **meta, "networking": networking}) == []


def test_the_first_of_very_many_are_told() -> None:
    assert len(told({"type": "Mesh", "name": "m", **{f"odd{number}": 1 for number in range(1000)}})) == MOST


def test_what_has_another_shape_is_left_to_the_schema() -> None:
    assert told({"type": "MeshTimeout", "name": "t", "spec": [{"x": 1}]}) == []
    assert told({"type": "Dataplane", "name": "t", "networking": "x"}) == []
