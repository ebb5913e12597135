"""JSON patches in the dialect that Kuma's users know."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster

from ursa.envoy.patching.json_patches import patch_message, patched
from ursa.errors import BadRequest
from ursa.ir.modifications import JsonPatch


def add(path: str, value: Any) -> JsonPatch:
    return JsonPatch("add", path, value)


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({}, add("/a", 1), {"a": 1}),
        ({"a": 1}, add("/a", 2), {"a": 2}),
        ({"a": [1, 3]}, add("/a/1", 2), {"a": [1, 2, 3]}),
        ({"a": [1]}, add("/a/-", 2), {"a": [1, 2]}),
        ({}, add("/a/b/c", 1), {"a": {"b": {"c": 1}}}),
        ({}, add("/a/0/b", 1), {"a": [{"b": 1}]}),
        ({"a": []}, add("/a/-/b", 1), {"a": [{"b": 1}]}),
        ({}, add("/a~1b~0c", 1), {"a/b~c": 1}),
        ({"a": 1}, add("", {"b": 2}), {"b": 2}),
        ({"a": 1, "b": 2}, JsonPatch("remove", "/a"), {"b": 2}),
        ({"a": [1, 2]}, JsonPatch("remove", "/a/-1"), {"a": [1]}),
        ({"b": 2}, JsonPatch("remove", "/a"), {"b": 2}),
        ({"b": 2}, JsonPatch("remove", "/a/b/c"), {"b": 2}),
        ({"a": 1}, JsonPatch("replace", "/a", 2), {"a": 2}),
        ({"a": [1, 2]}, JsonPatch("replace", "/a/1", 3), {"a": [1, 3]}),
        ({"a": {"b": 1}}, JsonPatch("copy", "/c", source="/a"), {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, JsonPatch("move", "/b", source="/a"), {"b": 1}),
    ],
)
def test_operation(before: Any, patch: JsonPatch, after: Any) -> None:
    assert patched(before, patch) == after


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        (JsonPatch("replace", "/b", 1), 'path "/b" does not exist'),
        (JsonPatch("replace", "/list/7", 1), 'path "/list/7": there is no position 7'),
        (JsonPatch("replace", "/list/x", 1), 'path "/list/x": "x" is no position in a list'),
        (JsonPatch("copy", "/b", source="/c"), 'path "/c" does not exist'),
        (JsonPatch("add", "/a/b", 1), 'path "/a/b" does not exist'),
        (JsonPatch("add", "a", 1), 'path "a" does not start with a slash'),
    ],
)
def test_path_that_leads_nowhere(patch: JsonPatch, reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        patched({"a": 1, "list": [1]}, patch)
    assert str(caught.value) == reason


def test_patches_do_not_share_what_they_add() -> None:
    value = {"b": [1]}
    first = patched({}, add("/a", value))
    patched(first, add("/a/b/-", 2))
    assert value == {"b": [1]}


def test_message_is_patched_in_its_json_form() -> None:
    cluster = Cluster(name="backend")
    cluster.connect_timeout.seconds = 5
    patch_message(cluster, [JsonPatch("replace", "/connectTimeout", "7s"), add("/circuitBreakers/thresholds/0", {})])
    assert cluster.connect_timeout.seconds == 7
    assert len(cluster.circuit_breakers.thresholds) == 1


def test_what_comes_out_has_to_be_such_a_message() -> None:
    cluster = Cluster(name="backend")
    with pytest.raises(BadRequest, match="connectTimeout"):
        patch_message(cluster, [add("/connectTimeout", {"no": "duration"})])
    assert cluster == Cluster(name="backend")
