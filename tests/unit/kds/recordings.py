"""What was recorded between Kuma's control planes, as messages and resources of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.json_format import ParseDict

from kds.envelope import encode_envelope
from kds.wire import ENVELOPE_URL
from ursa.catalog import default_registry
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.testing import shared_folder

REGISTRY = default_registry()

REDACTED = ("Secret", "GlobalSecret")
"""Kinds whose content was cut out, so that versions cannot be computed from what is left."""

DOWN, UP = "GlobalToZoneSync", "ZoneToGlobalSync"


@dataclass(frozen=True, slots=True)
class Event:
    """One message on a stream."""

    method: str
    down: bool
    message: JsonObject

    @property
    def kind(self) -> str:
        return str(self.message.get("type_url", ""))

    @property
    def is_response(self) -> bool:
        """Whether it carries resources; the other messages of a sync stream ask for them."""
        return "node" not in self.message


def folder() -> Path:
    shared = shared_folder()
    if shared is None:
        pytest.skip("the recordings are not here")
    return shared / "reference/kds"


def files(default: list[str] | None = None) -> list[str]:
    """All recordings; where there are none, a default, or the test is skipped."""
    if default is not None and shared_folder() is None:
        return default
    return sorted(file.stem for file in folder().glob("*.jsonl"))


def opened(name: str) -> Iterator[list[tuple[str, str]]]:
    """The call metadata of every stream that a recording shows from its beginning."""
    for line in (folder() / f"{name}.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["ev"] == "open":
            found = entry["metadata"]
            pairs = found.items() if isinstance(found, dict) else found
            yield [(str(k), str(one)) for k, v in pairs for one in (v if isinstance(v, list) else [v])]


def events(name: str, method: str = "") -> Iterator[Event]:
    """Messages of a recording whose name begins so, in the order in which they were sent."""
    (file,) = folder().glob(f"{name}*.jsonl")
    for line in file.read_text().splitlines():
        entry = json.loads(line)
        if entry["ev"] == "msg" and (not method or entry["method"] == method):
            yield Event(entry["method"], entry["dir"] == "global->zone", entry["msg"])


def resource_of(kind: str, sent: JsonObject) -> Resource:
    """A resource as it was on the wire."""
    spec = sent["spec"].get("json", sent["spec"].get("decoded"))
    if kind in REDACTED:
        spec = {"data": base64.b64encode(str(spec).encode()).decode()}
    codec = REGISTRY[kind].codec
    spec = codec.normalise(spec) if codec.flat else spec
    status = (sent.get("status") or {}).get("json", {}) if REGISTRY[kind].status_codec else None
    meta = sent["meta"]
    return Resource(kind, meta.get("mesh", ""), meta["name"], spec, meta.get("labels", {}), status)


def response_bytes(message: JsonObject) -> bytes:
    """A recorded response with its envelopes."""
    response = discovery_pb2.DeltaDiscoveryResponse(
        type_url=message["type_url"],
        nonce=message["nonce"],
        removed_resources=message.get("removed_resources", []),
    )
    kind = REGISTRY[message["type_url"]]
    for sent in message.get("resources", ()):
        item = response.resources.add(name=sent["name"], version=sent["version"])
        item.resource.type_url = ENVELOPE_URL
        item.resource.value = encode_envelope(resource_of(kind.name, sent), kind)
    return bytes(response.SerializeToString())


def request_bytes(message: JsonObject) -> bytes:
    """A recorded request."""
    return bytes(ParseDict(message, discovery_pb2.DeltaDiscoveryRequest()).SerializeToString())
