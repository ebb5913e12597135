"""What a global and its zones hold after everything was synced, against the cases that the Kuma project publishes.

A case gives what each control plane has before (`*.input.yaml`) and what all have afterwards (`*.golden.yaml`). Times
and the course of connections, which no two runs share, are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.unit.kds.lab import REGISTRY, Global, Side, Zone
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.store.contract import Create
from ursa.testing import shared_folder

META = {"type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri", "spec", "status"}
COURSE = {"ZoneInsight"}
"""Kinds that record connections: that they exist is compared, not what they say."""


def cases() -> list[Path]:
    shared = shared_folder()
    return sorted((shared / "conformance/kds").iterdir()) if shared else []


def documents(file: Path) -> Iterator[JsonObject]:
    return (document for document in yaml.load_all(file.read_text(), yaml.CSafeLoader) if document)


def resource_of(document: JsonObject) -> Resource:
    codec = REGISTRY[document["type"]].codec
    spec = {k: v for k, v in document.items() if k not in META} if codec.flat else document.get("spec", {})
    return Resource(
        document["type"],
        document.get("mesh", ""),
        document["name"],
        codec.normalise(spec) if codec.flat else spec,
        document.get("labels") or {},
        document.get("status"),
    )


def comparable(resources: list[Resource]) -> dict[str, tuple[object, object]]:
    return {
        str(r.key): ("recorded", "recorded") if r.kind in COURSE else (dict(r.labels), dict(r.spec)) for r in resources
    }


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_case(case: Path) -> None:
    centre = Global()
    sides: dict[str, Side] = {"global": centre}
    await centre.open()
    try:
        names = sorted(file.name.removesuffix(".input.yaml") for file in case.glob("*.input.yaml"))
        for name in names:
            if name != "global":
                sides[name] = Zone(name, centre.port)
        for name, side in sides.items():
            if side is not centre:
                # What is there before is there before the first connection.
                await side.store.open()
            for document in documents(case / f"{name}.input.yaml"):
                await side.store.write([Create(resource_of(document))])
        for side in sides.values():
            if side is not centre:
                await side.open()
        for name, side in sides.items():
            expected = comparable([resource_of(d) for d in documents(case / f"{name}.golden.yaml")])
            held = side.live
            with suppress(TimeoutError):
                await side.until(lambda: comparable(list(held.current.all())) == expected)  # noqa: B023
            assert comparable(list(held.current.all())) == expected
    finally:
        for side in reversed(sides.values()):
            await side.close()
