"""Every resource that was recorded between Kuma's control planes gets the version that Kuma gave it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kds.envelope import encode_envelope, version_of
from ursa.catalog import default_registry
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.testing import shared_folder

REGISTRY = default_registry()
REDACTED = ("Secret", "GlobalSecret")


def recorded() -> Iterator[tuple[str, JsonObject]]:
    folder = shared_folder()
    for file in sorted((folder / "reference/kds").glob("*.jsonl")) if folder else ():
        for line in file.read_text().splitlines():
            message = json.loads(line).get("msg") or {}
            for resource in message.get("resources", ()):
                if message["type_url"] not in REDACTED:
                    yield message["type_url"], resource


def test_versions_are_those_of_kuma() -> None:
    found = list(recorded())
    if not found:
        pytest.skip("the recordings are not here")
    for name, sent in found:
        kind, meta = REGISTRY[name], sent["meta"]
        spec = sent["spec"].get("json", sent["spec"].get("decoded"))
        spec = kind.codec.normalise(spec) if kind.codec.flat else spec
        status = (sent.get("status") or {}).get("json", {}) if kind.status_codec else None
        resource = Resource(name, meta.get("mesh", ""), meta["name"], spec, meta.get("labels", {}), status)
        assert version_of(encode_envelope(resource, kind)) == sent["version"], resource.key
    assert len(found) > 80
