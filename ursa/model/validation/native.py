"""Pieces of Envoy configuration that users write themselves, as YAML or JSON of Envoy's own messages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ursa.errors import BadRequest
from ursa.model.json import Json, JsonObject

if TYPE_CHECKING:
    from google.protobuf.message import Message

_MODULES = MappingProxyType(
    {
        "cluster": ("envoy.config.cluster.v3.cluster_pb2", "Cluster"),
        "listener": ("envoy.config.listener.v3.listener_pb2", "Listener"),
        "networkFilter": ("envoy.config.listener.v3.listener_components_pb2", "Filter"),
        "httpFilter": (
            "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
            "HttpFilter",
        ),
        "virtualHost": ("envoy.config.route.v3.route_components_pb2", "VirtualHost"),
    }
)
"""What can be patched, and the messages that such a piece is."""

PATCHABLE = tuple(_MODULES)
FILTERS = ("networkFilter", "httpFilter")
"""Those of it that stand in a list, the order of which matters."""

_PREFIX = "type.googleapis.com/"


def native_error(part: str, text: str, *, complete: bool = True) -> str:
    """What is wrong with a piece of configuration, empty when nothing is.

    Args:
        part: one of `PATCHABLE`.
        text: YAML or JSON.
        complete: whether it stands alone; a piece to be merged into another one need not follow the message's rules.
    """
    try:
        message = read_piece(part, text)
    except BadRequest as error:
        return str(error)
    return broken_rule(message) if complete else ""


def raw_resource_error(text: str) -> str:
    """What is wrong with a whole resource that names its type in `@type`, empty when nothing is."""
    try:
        return broken_rule(read_raw_resource(text))
    except BadRequest as error:
        return str(error)


def read_piece(part: str, text: str) -> Message:
    """A piece of configuration.

    Args:
        part: one of `PATCHABLE`.
        text: YAML or JSON.

    Raises:
        BadRequest: it is no such piece.
    """
    module, name = _MODULES[part]
    message: Message = getattr(importlib.import_module(module), name)()
    document = _only_document(text)
    load_types(document)
    _fill(message, document)
    return message


def read_raw_resource(text: str) -> Message:
    """A whole resource that names its type in `@type`.

    Raises:
        BadRequest: it is none.
    """
    from google.protobuf import symbol_database

    document = _only_document(text)
    type_url = document.get("@type")
    if not isinstance(type_url, str):
        raise BadRequest("Any JSON doesn't have '@type'")
    load_types(document)
    try:
        message: Message = symbol_database.Default().GetSymbol(type_url.removeprefix(_PREFIX))()
    except KeyError as error:
        raise BadRequest(f"unknown message type {type_url!r}") from error
    _fill(message, {key: value for key, value in document.items() if key != "@type"})
    return message


def broken_rule(message: Message) -> str:
    """The first of its own rules that a message breaks, empty when there is none.

    Everything that knows messages is loaded when there is one to look at, for kinds are declared far more often.
    """
    from ursa.model.validation.message_rules import broken_rule

    return broken_rule(message)


def _only_document(text: str) -> JsonObject:
    from ursa.model.documents import load_documents

    try:
        documents = load_documents(text)
    except BadRequest as error:
        raise BadRequest(_one_line(error)) from error
    if len(documents) > 1:
        raise BadRequest("more than one document")
    return documents[0] if documents else {}


def _fill(message: Message, document: JsonObject) -> None:
    from google.protobuf import json_format

    try:
        json_format.ParseDict(dict(document), message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise BadRequest(_one_line(error)) from error


def load_types(document: Json) -> None:
    """Registers the messages that a document names, so that it can be read."""
    for type_url in _type_urls(document):
        _load_package(type_url.removeprefix(_PREFIX).rpartition(".")[0])


@cache
def _load_package(name: str) -> None:
    """Registers all messages of a package, so that packed ones can be read."""
    if not name.startswith(("envoy.", "xds.", "udpa.")):
        return
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError:
        return  # reading the document names the unknown type
    for module in pkgutil.iter_modules(package.__path__, f"{name}."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


def _type_urls(document: Json) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("@type"), str):
            yield document["@type"]
        for value in document.values():
            yield from _type_urls(value)
    elif isinstance(document, list):
        for value in document:
            yield from _type_urls(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
