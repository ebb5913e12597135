"""The bytes on the wire are those that Kuma's control planes were recorded with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kds.envelope import decode_envelope, encode_envelope, key_of, version_of, wire_name
from kds.wire import Item, Request, decode_request, decode_response, encode_request, frame, join_response
from ursa.catalog import default_registry
from ursa.errors import ProtocolError
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey
from ursa.testing import shared_folder

REGISTRY = default_registry()


def recorded() -> list[dict[str, str]]:
    folder = shared_folder()
    if folder is None:
        return []
    return json.loads((folder / "reference/kds/30_golden_bytes.json").read_text())


@pytest.mark.parametrize("golden", [g for g in recorded() if "request" in g["what"] or g["what"] == "ACK"])
def test_requests_are_those_of_kuma(golden: dict[str, str]) -> None:
    data = bytes.fromhex(golden["hex"])
    request = decode_request(data)
    assert request.node == "py-1"
    # A list of names is only sent with the first request.
    assert encode_request(replace(request, wildcard=not request.nonce)) == data


@pytest.mark.parametrize("golden", [g for g in recorded() if "response" in g["what"]])
def test_responses_are_those_of_kuma(golden: dict[str, str]) -> None:
    data = bytes.fromhex(golden["hex"])
    response = decode_response(data)
    kind = REGISTRY[response.kind]
    frames = []
    for item in response.items:
        envelope = encode_envelope(decode_envelope(item, kind), kind)
        assert envelope == item.envelope
        assert version_of(envelope) == item.version
        frames.append(frame(item.name, item.version, envelope))
    assert join_response(response.kind, response.nonce, frames, response.removed, identifier="global") == data


def test_removed_names_come_after_the_nonce() -> None:
    data = join_response("MeshTimeout", "7", [], ["a.default", "b.default"], identifier="global")
    response = decode_response(data)
    assert (response.kind, response.nonce, response.removed) == ("MeshTimeout", "7", ("a.default", "b.default"))


def test_names_are_divided_at_the_last_dot() -> None:
    assert key_of("Secret", "demo.ca-builtin-cert-ca-1.default").name == "demo.ca-builtin-cert-ca-1"
    assert key_of("Mesh", wire_name("", "default")) == ResourceKey("Mesh", "", "default")


def test_a_nack_names_its_node_and_asks_again() -> None:
    request = decode_request(encode_request(Request("Secret", "zone-1", nonce="3", wildcard=True, error="no")))
    assert (request.node, request.nonce, request.wildcard, request.error) == ("zone-1", "3", True, "no")


@pytest.mark.parametrize(
    "resource",
    [
        Resource("MeshTimeout", "default", "t", {"targetRef": {"kind": "Mesh"}, "to": [{"x": "<&>"}]}, {"a": "b"}),
        Resource("Dataplane", "default", "d", {"networking": {"address": "10.0.0.1"}}),
        Resource("MeshService", "default", "s", {"ports": [{"port": 80}]}, {}, {"vips": [{"ip": "241.0.0.1"}]}),
        Resource("Secret", "default", "a.b", {"data": "aGk="}),
    ],
)
def test_envelopes_bring_back_what_was_put_in(resource: Resource) -> None:
    kind = REGISTRY[resource.kind]
    envelope = encode_envelope(resource, kind)
    url = "type.googleapis.com/kuma.mesh.v1alpha1.KumaResource"
    item = Item(wire_name(resource.mesh, resource.name), version_of(envelope), url, envelope)
    assert decode_envelope(item, kind) == resource


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("a.default", "1", "type.googleapis.com/other", b""), "unexpected resource type"),
        (
            Item("a.default", "1", "type.googleapis.com/kuma.mesh.v1alpha1.KumaResource", b"\xff\xff"),
            "not an envelope",
        ),
        (Item("a.default", "1", "type.googleapis.com/kuma.mesh.v1alpha1.KumaResource", b""), "under the name"),
    ],
)
def test_unreadable_envelopes_are_refused_one_by_one(item: Item, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_envelope(item, REGISTRY["MeshTimeout"])


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ({"features": 5}, {}),
        ({"features": ["a", 1, {"b": 2}]}, {"features": ["a"]}),
        ({"ursa.quiet": [["Mesh"], "Mesh"]}, {"ursa.quiet": ["Mesh"]}),
        ({"version": "x", "config": {"a": 1}, "control-plane-id": [1]}, {}),
        ({"version": {"kumaCp": "x"}}, {}),
        ({"version": {"kumaCp": {"version": 3, "gitTag": "t", "odd": "o"}}}, {"version": {"kumaCp": {"gitTag": "t"}}}),
        ({"config": "{}", "control-plane-id": "one", "else": 1}, {"config": "{}", "control-plane-id": "one"}),
    ],
)
def test_what_a_peer_says_of_itself_in_another_shape_is_not_heard(told: JsonObject, believed: JsonObject) -> None:
    request = decode_request(encode_request(Request("Mesh", "east", wildcard=True, metadata=told)))
    assert request.metadata == believed
