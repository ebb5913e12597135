"""The resource a proxy brings along: rendered from its template and checked before anything starts."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from sys import stdin
from typing import Any

import orjson
import pystache  # type: ignore[import-untyped]

from ursa.dataplane.settings import DataplaneSettings
from ursa.errors import ConfigError, InvalidResource, UrsaError
from ursa.model.documents import load_documents

KINDS: Mapping[str, str] = {"dataplane": "Dataplane", "ingress": "ZoneIngress", "egress": "ZoneEgress"}
"""Kind of resource by proxy type."""

ZERO_TIME = "0001-01-01T00:00:00Z"


def render(template: str, variables: Mapping[str, str]) -> str:
    """A Mustache template with its variables filled in; dots in keys open nested objects, missing ones are empty."""
    context: dict[str, Any] = {}
    for key, value in variables.items():
        *parents, last = key.split(".")
        level = context
        for parent in parents:
            level = level.setdefault(parent, {})
        level[last] = value
    return str(pystache.Renderer(escape=html.escape, missing_tags="ignore").render(template, context))


def load(settings: DataplaneSettings) -> dict[str, Any] | None:
    """The proxy's own resource, or None when it was created beforehand and only mesh and name are given.

    Raises:
        ConfigError: file, kind or combination of settings is wrong.
        InvalidResource: the resource breaks its rules; the texts are those of the control plane.
    """
    text = _text(settings)
    if not text:
        _check_names(settings)
        return None
    if settings.mesh or settings.name:
        raise ConfigError(
            "--name and --mesh cannot be specified when a dataplane definition is provided, "
            "mesh and name will be read from the dataplane definition"
        )
    documents = load_documents(render(text, settings.variables))
    if len(documents) != 1:
        raise ConfigError(f"expected one resource, found {len(documents)}")
    document = documents[0]
    expected = KINDS[settings.proxy_type]
    if document.get("type") != expected:
        raise ConfigError(f'invalid proxy resource type "{document.get("type")}", expected {expected}')
    _validate(document)
    return document


def to_json(document: Mapping[str, Any]) -> str:
    """The JSON text that travels in the bootstrap request and in Envoy's node metadata."""
    times = {"creationTime": ZERO_TIME, "modificationTime": ZERO_TIME}
    return orjson.dumps({**times, **document}, option=orjson.OPT_SORT_KEYS).decode()


def _text(settings: DataplaneSettings) -> str:
    if settings.resource:
        return settings.resource
    if settings.resource_path == "-":
        return stdin.read()
    if settings.resource_path:
        try:
            return Path(settings.resource_path).read_text()
        except OSError as error:
            raise ConfigError(f"could not read dataplane {settings.resource_path}: {error.strerror}") from None
    return ""


def _check_names(settings: DataplaneSettings) -> None:
    missing = []
    if not settings.mesh and settings.proxy_type == "dataplane":
        missing.append(".Mesh must be non-empty")
    if not settings.name:
        missing.append(".Name must be non-empty")
    if missing:
        raise ConfigError("configuration validation failed: .Dataplane is not valid: " + "; ".join(missing))


def _validate(document: Mapping[str, Any]) -> None:
    from ursa.model.forms import from_rest
    from ursa.model.kind import Registry
    from ursa.model.registry import default_kinds

    registry = Registry(default_kinds())
    try:
        resource = from_rest(document, registry)
        if violations := registry[resource.kind].validate(resource):
            raise InvalidResource(violations)
    except UrsaError as error:
        raise ConfigError(str(error)) from None
