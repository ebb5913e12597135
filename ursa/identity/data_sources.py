"""Where certificates and keys in resources come from: Secrets of the mesh, files of the control plane, or the text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from ursa.errors import BadRequest, NotFound
from ursa.model.json import JsonObject

Load = Callable[[JsonObject], bytes]
"""Reads a DataSource; may raise BadRequest and NotFound."""


def read_source(source: JsonObject, secret: Callable[[str], bytes], file: Callable[[str], bytes]) -> bytes:
    """The bytes that a DataSource refers to.

    Args:
        source: the DataSource.
        secret: finds a Secret of the mesh.
        file: reads a file.

    Raises:
        BadRequest: it is not written as it has to be.
        NotFound: the Secret or file is not there.
    """
    if "secret" in source:
        return secret(source["secret"])
    if "file" in source:
        return file(source["file"])
    if "inline" in source:
        try:
            return base64.b64decode(source["inline"], validate=True)
        except ValueError as error:
            raise BadRequest(f"inline data is not base64: {error}") from None
    return str(source.get("inlineString", "")).encode()


def read_file(path: str) -> bytes:
    """A file next to the control plane; raises NotFound."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFound(f"file {path}: {error.strerror}") from None
