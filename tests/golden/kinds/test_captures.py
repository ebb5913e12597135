"""One recorded object of every kind: our forms, wire bytes and rules give back exactly what Kuma showed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ursa.catalog import default_registry
from ursa.model.forms import from_kubernetes, from_rest, to_kubernetes, to_rest
from ursa.model.resource import Resource
from ursa.model.timestamps import parse_timestamp
from ursa.testing import shared_folder

REGISTRY = default_registry()
ANSWERS_ONLY = frozenset({"ServiceInsight"})
"""Kinds of which the API shows something else than what is stored: one service out of the object of its mesh."""


def captures() -> Iterator[Any]:
    folder = shared_folder()
    if folder is None:
        return
    for path in sorted((folder / "reference" / "api" / "kinds").glob("*.k8s.json")):
        name = path.name.removesuffix(".k8s.json")
        if name not in ANSWERS_ONLY:
            universal = json.loads(path.with_name(f"{name}.json").read_text())["response"]["body"]
            kubernetes = json.loads(path.read_text())["response"]["body"]
            yield pytest.param(universal, kubernetes, id=name)


def stored(universal: dict[str, Any]) -> Resource:
    """The resource as the store would hold it."""
    resource = from_rest(universal, REGISTRY)
    created, modified = (parse_timestamp(universal[name]) for name in ("creationTime", "modificationTime"))
    return replace(resource, created=created, modified=modified)


@pytest.mark.parametrize(("universal", "kubernetes"), list(captures()))
def test_the_universal_form_comes_back(universal: dict[str, Any], kubernetes: dict[str, Any]) -> None:
    assert to_rest(stored(universal), REGISTRY) == universal


@pytest.mark.parametrize(("universal", "kubernetes"), list(captures()))
def test_the_kubernetes_form_is_the_same_object(universal: dict[str, Any], kubernetes: dict[str, Any]) -> None:
    resource = stored(universal)
    assert to_kubernetes(resource, REGISTRY) == kubernetes
    back = from_rest(from_kubernetes(kubernetes, REGISTRY), REGISTRY)
    assert (back.kind, back.mesh, back.name, back.spec) == (resource.kind, resource.mesh, resource.name, resource.spec)


@pytest.mark.parametrize(("universal", "kubernetes"), list(captures()))
def test_the_wire_keeps_spec_and_status(universal: dict[str, Any], kubernetes: dict[str, Any]) -> None:
    resource = stored(universal)
    kind = REGISTRY[resource.kind]
    assert kind.codec.decode(kind.codec.encode(resource.spec)) == resource.spec
    if kind.status_codec is not None and resource.status is not None:
        assert kind.status_codec.decode(kind.status_codec.encode(resource.status)) == resource.status


@pytest.mark.parametrize(("universal", "kubernetes"), list(captures()))
def test_what_kuma_holds_is_valid(universal: dict[str, Any], kubernetes: dict[str, Any]) -> None:
    resource = stored(universal)
    assert list(REGISTRY[resource.kind].validate(resource)) == []
