"""JSON patches (RFC 6902) on messages, in the dialect that Kuma's users know.

Beyond the RFC: what an `add` needs above it is made, a `remove` of what is not there does nothing, and a negative index
counts from the end.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import pairwise
from typing import Any as Untyped

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from ursa.errors import BadRequest
from ursa.ir.modifications import JsonPatch

Document = Untyped
"""JSON: nested dicts and lists, changed in place."""


def patch_message(message: Message, patches: Iterable[JsonPatch]) -> None:
    """Applies patches to a message.

    Raises:
        BadRequest: one does not fit, or what comes out is no such message.
    """
    document: Document = MessageToDict(message)
    for patch in patches:
        document = patched(document, patch)
    changed = type(message)()
    try:
        ParseDict(document, changed, ignore_unknown_fields=True)
    except ParseError as error:
        raise BadRequest(" ".join(str(error).split())) from error
    message.CopyFrom(changed)


def patched(document: Document, patch: JsonPatch) -> Document:
    """The document after one operation; it is changed in place unless its root is replaced.

    Raises:
        BadRequest: the path leads nowhere.
    """
    match patch.op:
        case "add":
            return _add(document, patch.path, copy.deepcopy(patch.value))
        case "remove":
            _remove(document, patch.path)
            return document
        case "replace":
            _get(document, patch.path)
            return _set(document, patch.path, copy.deepcopy(patch.value))
        case "copy":
            return _add(document, patch.path, copy.deepcopy(_get(document, patch.source)))
        case "move":
            value = _get(document, patch.source)
            _remove(document, patch.source)
            return _add(document, patch.path, value)
        case _:
            raise BadRequest(f'unknown operation "{patch.op}"')


def _tokens(path: str) -> list[str]:
    if path in ("", "/"):
        return []
    if not path.startswith("/"):
        raise BadRequest(f'path "{path}" does not start with a slash')
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def _get(document: Document, path: str) -> Document:
    for token in _tokens(path):
        if isinstance(document, list):
            document = document[_index(document, token, path)]
        elif isinstance(document, dict) and token in document:
            document = document[token]
        else:
            raise BadRequest(f'path "{path}" does not exist')
    return document


def _index(of: list[Document], token: str, path: str, *, end: int = 0) -> int:
    """The position a token means; `end` is 1 where the place behind the last item is one, too."""
    try:
        position = int(token)
    except ValueError as error:
        raise BadRequest(f'path "{path}": "{token}" is no position in a list') from error
    position += len(of) + end if position < 0 else 0
    if not 0 <= position < len(of) + end:
        raise BadRequest(f'path "{path}": there is no position {token}')
    return position


def _parent(document: Document, path: str) -> tuple[Document, str]:
    above, _, _ = path.rpartition("/")
    return _get(document, above), _tokens(path)[-1]


def _set(document: Document, path: str, value: Document) -> Document:
    if not _tokens(path):
        return value
    parent, token = _parent(document, path)
    if isinstance(parent, list):
        parent[_index(parent, token, path)] = value
    else:
        parent[token] = value
    return document


def _add(document: Document, path: str, value: Document) -> Document:
    tokens = _tokens(path)
    if not tokens:
        return value
    parent = document
    for token, below in pairwise(tokens):
        parent = _below(parent, token, path, empty=[] if below in ("0", "-") else {})
    if isinstance(parent, list):
        position = len(parent) if tokens[-1] == "-" else _index(parent, tokens[-1], path, end=1)
        parent.insert(position, value)
    elif isinstance(parent, dict):
        parent[tokens[-1]] = value
    else:
        raise BadRequest(f'path "{path}" does not exist')
    return document


def _below(parent: Document, token: str, path: str, *, empty: Document) -> Document:
    """One step down a path, which is made where it does not exist."""
    if isinstance(parent, list):
        if token == "-" or token == str(len(parent)):
            parent.append(empty)
            return empty
        return parent[_index(parent, token, path)]
    if isinstance(parent, dict):
        return parent.setdefault(token, empty)
    raise BadRequest(f'path "{path}" does not exist')


def _remove(document: Document, path: str) -> None:
    try:
        parent, token = _parent(document, path)
        _get(document, path)
    except BadRequest:
        return  # it is gone already
    if isinstance(parent, list):
        del parent[_index(parent, token, path)]
    else:
        del parent[token]
