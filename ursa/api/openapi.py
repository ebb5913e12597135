"""`/openapi.json`: the API described out of what it is made of, endpoints and kinds, so that it cannot lag behind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint, Guard, Shape
from ursa.model.json import JsonObject
from ursa.model.kind import Family, Kind, Registry
from ursa.version import BASED_ON_KUMA, VERSION

SCHEMAS = "#/components/schemas/"
_VARIABLE = re.compile(r"{(\w+)(?::([^{}]*))?}")
_TEXT: JsonObject = {"type": "string"}
_ANYTHING: JsonObject = {"description": "JSON", "content": {"application/json": {"schema": {}}}}


class OpenApi:
    """The description and its call."""

    def __init__(self, context: ApiContext, endpoints: Sequence[Endpoint]) -> None:
        """Args: of the API; all its other calls, where two match the same path the earlier one counts."""
        self._context = context
        self._endpoints = endpoints

    def endpoint(self) -> Endpoint:
        """Its route."""
        return Endpoint("GET", "/openapi.json", self.get, "Could not describe the API", guard=Guard.OWN)

    async def get(self, _: web.Request) -> web.Response:
        """The API as an OpenAPI 3.1 document."""
        return answer(self.document)

    @cached_property
    def document(self) -> JsonObject:
        """The description; it is made when it is first asked for."""
        registry = self._context.registry
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Ursa",
                "version": VERSION,
                "description": f"The API of an Ursa control plane, compatible with Kuma {BASED_ON_KUMA}.",
            },
            "servers": [{"url": self._context.settings.api_server.base_path}],
            "security": [{}, {"token": []}],
            "paths": dict(sorted(_paths([*self._endpoints, self.endpoint()], registry).items())),
            "components": {
                "schemas": dict(sorted(_schemas(registry).items())),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }


def _paths(endpoints: Iterable[Endpoint], registry: Registry) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        for path, word in _expanded(endpoint.path):
            if path.endswith("/") and path != "/":
                continue
            kind = registry.by_path(word) if word else None
            operations = paths.setdefault(path, {})
            operations.setdefault(endpoint.method.lower(), _operation(endpoint, path, kind))
    return paths


def _expanded(route: str) -> Iterator[tuple[str, str]]:
    """Every path that a route stands for, and the word of its variable `path`: patterns become their alternatives."""
    pieces: list[list[tuple[str, str]]] = []
    end = 0
    for match in _VARIABLE.finditer(route):
        pieces.append([(route[end : match.start()], "")])
        end = match.end()
        if match[2] is None:
            pieces.append([(f"{{{match[1]}}}", "")])
        else:
            words = [word.replace("\\", "") for word in match[2].split("|")]
            pieces.append([(word, word if match[1] == "path" else "") for word in words])
    pieces.append([(route[end:], "")])
    for chosen in itertools.product(*pieces):
        yield "".join(text for text, _ in chosen), "".join(word for _, word in chosen)


def _operation(endpoint: Endpoint, path: str, kind: Kind | None) -> dict[str, Any]:
    summary = (endpoint.handle.__doc__ or "").strip().partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{re.sub('[{}]', '', path).replace('/', '.')}",
        "summary": f"{kind.name}: {summary}" if kind is not None else summary,
        "tags": [kind.name if kind is not None else "control plane"],
        "parameters": [*_path_parameters(path), *_query_parameters(endpoint.shape, kind)],
        "responses": {**_answers(endpoint, kind), "4XX": _json("what was wrong with the request", "Error")},
    }
    body = {"$ref": f"{SCHEMAS}{kind.name}"} if endpoint.method == "PUT" and kind is not None else endpoint.body
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _path_parameters(path: str) -> Iterator[JsonObject]:
    for match in _VARIABLE.finditer(path):
        yield {"name": match[1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(shape: Shape, kind: Kind | None) -> Iterator[JsonObject]:
    if shape is Shape.PAGE:
        yield _query("size", {"type": "integer", "minimum": 0, "maximum": 1000}, "items on a page; 0 for all")
        yield _query("offset", {"type": "integer", "minimum": 0}, "where the page begins, from `next`")
        yield _query("name", _TEXT, "part of the name")
        if kind is not None and kind.name in ("Dataplane", "ExternalService"):
            yield _query("tag", {"type": "array", "items": _TEXT}, "key:part of a value")
        if kind is not None and kind.name == "Dataplane":
            yield _query("gateway", {"enum": ["true", "false", "builtin", "delegated"]}, "sort of gateway")
    elif shape is Shape.OBJECT:
        yield _query("format", {"enum": ["universal", "k8s", "kubernetes"]}, "form of the answer")
    elif shape is Shape.WRITE:
        yield _query("dryRun", {"type": "boolean"}, "check everything, write nothing")
        yield {"name": "If-Match", "in": "header", "schema": _TEXT, "description": "the ETag that was read"}


def _query(name: str, schema: JsonObject, description: str) -> JsonObject:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _answers(endpoint: Endpoint, kind: Kind | None) -> dict[str, Any]:
    if not endpoint.json:
        return {"200": {"description": "text", "content": {"text/plain": {"schema": _TEXT}}}}
    if kind is None or endpoint.shape is Shape.OTHER:
        return {"200": _ANYTHING}
    if endpoint.shape is Shape.PAGE:
        return {"200": _json(f"objects of type {kind.name}", f"{kind.name}Page")}
    if endpoint.shape is Shape.OBJECT:
        return {"200": _json(f"the {kind.name}", kind.name)}
    written = {"200": _json("it was written", "Written")}
    return written | ({"201": _json("it was created", "Written")} if endpoint.method == "PUT" else {})


def _json(description: str, schema: str) -> JsonObject:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}{schema}"}}}}


def _schemas(registry: Registry) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {"Error": _ERROR, "Written": _WRITTEN}
    for kind in registry:
        if not kind.path:
            continue
        spec, parts = kind.spec_schema(SCHEMAS)
        found |= parts
        found[kind.name] = _of_kind(kind, spec)
        found[f"{kind.name}Page"] = {
            "type": "object",
            "properties": {
                "total": {"type": "integer"},
                "items": {"type": "array", "items": {"$ref": f"{SCHEMAS}{kind.name}"}},
                "next": {"type": ["string", "null"]},
            },
            "required": ["total", "items", "next"],
        }
    return found


def _of_kind(kind: Kind, spec: JsonObject) -> JsonObject:
    """The schema of an object in the Universal form; a flat spec stands beside its meta data."""
    meta: dict[str, Any] = {
        "type": {"const": kind.name},
        "name": {"type": "string", "minLength": 1, "maxLength": 253},
        "labels": {"type": "object", "additionalProperties": _TEXT},
        "creationTime": {"type": "string", "format": "date-time", "readOnly": True},
        "modificationTime": {"type": "string", "format": "date-time", "readOnly": True},
    }
    required = ["type", "name"]
    if not kind.global_scope:
        meta["mesh"] = _TEXT
        required.append("mesh")
    if kind.short:
        meta["kri"] = {"type": "string", "readOnly": True}
    if kind.status_codec is not None:
        meta["status"] = {"type": "object", "readOnly": True}
    if kind.codec.flat:
        return {"allOf": [{"type": "object", "properties": meta, "required": required}, spec]}
    needs = required if kind.family is Family.RESOURCE else [*required, "spec"]
    return {"type": "object", "properties": {**meta, "spec": spec}, "required": needs}


_VIOLATIONS: JsonObject = {
    "type": "array",
    "items": {"type": "object", "properties": {"field": _TEXT, "reason": _TEXT}, "required": ["field", "reason"]},
}
_ERROR: JsonObject = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "status": {"type": "integer"},
        "title": _TEXT,
        "detail": _TEXT,
        "invalid_parameters": _VIOLATIONS,
    },
    "required": ["type", "status", "title", "detail"],
}
_WRITTEN: JsonObject = {"type": "object", "properties": {"warnings": {"type": "array", "items": _TEXT}}}
