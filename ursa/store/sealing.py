"""Seals what secrets contain: AES-256-GCM under one of several keys, the first of which seals and all of which open.

The nonce is derived from the key, the place and the content (a keyed hash), so sealing the same content at the same
place gives the same bytes: a store still recognises a write that changes nothing, and no counter has to be kept. The
place, kind, mesh and name, is authenticated, so a sealed content cannot be moved to another secret.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ursa.errors import ConfigError, UrsaError
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey

SEALED = "sealed"
"""The one field of a sealed spec: `{key, data}`."""

_NONCE = 12
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}):\s*([A-Za-z0-9+/=]+)")


class UnknownKey(UrsaError):
    """A content is sealed with a key that this process does not have."""


class Tampered(UrsaError):
    """A sealed content was changed, moved or damaged."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key: its name, which is stored in the open, and its 32 bytes."""

    name: str
    secret: bytes = field(repr=False)

    def seal(self, key: ResourceKey, spec: JsonObject) -> JsonObject:
        """The sealed form of a spec."""
        content = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        nonce = hmac.digest(self._derive(b"nonce"), _place(key) + b"\0" + content, "sha256")[:_NONCE]
        data = nonce + AESGCM(self._derive(b"content")).encrypt(nonce, content, _place(key))
        return {SEALED: {"key": self.name, "data": base64.b64encode(data).decode()}}

    def open(self, key: ResourceKey, data: str) -> JsonObject:
        """The spec that was sealed; raises Tampered."""
        try:
            raw = base64.b64decode(data, validate=True)
            content = AESGCM(self._derive(b"content")).decrypt(raw[:_NONCE], raw[_NONCE:], _place(key))
        except (InvalidTag, ValueError):
            raise Tampered(f"{key} cannot be opened: it was changed, moved or damaged") from None
        spec: JsonObject = orjson.loads(content)
        return spec

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, b"ursa store " + purpose, "sha256")


class Sealer:
    """Seals with the first key, opens with any."""

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        self._first = keys[0] if keys else None
        self._keys = {key.name: key for key in keys}

    def seal(self, resource: Resource) -> Resource:
        """The resource as it is stored; unchanged when there is no key."""
        if self._first is None:
            return resource
        return resource.with_spec(self._first.seal(resource.key, resource.spec))

    def open(self, resource: Resource) -> Resource:
        """The resource as it was before it was sealed; raises UnknownKey and Tampered."""
        sealed = resource.spec.get(SEALED)
        if not isinstance(sealed, dict):
            return resource
        name = str(sealed.get("key"))
        if name not in self._keys:
            raise UnknownKey(f"{resource.key} is sealed with the key {name!r}, which store.encryption.keyFile lacks")
        return resource.with_spec(self._keys[name].open(resource.key, str(sealed.get("data"))))

    def is_current(self, resource: Resource) -> bool:
        """Whether a stored resource is sealed as one written now would be."""
        return key_name(resource) == (self._first.name if self._first else "")


def key_name(resource: Resource) -> str:
    """The name of the key that a stored resource is sealed with; empty if it is not sealed."""
    sealed = resource.spec.get(SEALED)
    return str(sealed.get("key")) if isinstance(sealed, dict) else ""


def read_keys(path: str) -> Sequence[SealingKey]:
    """The keys in a file: one per line, `name: 32 bytes in base64`; empty lines and those with # are skipped.

    Raises:
        ConfigError: there is no such file, or something else is in it.
    """
    if not path:
        return ()
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"store.encryption.keyFile: cannot read {path}: {error}") from None
    keys: dict[str, SealingKey] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _key(line.strip())
        if key is None or key.name in keys:
            raise ConfigError(f"store.encryption.keyFile: line {number} is not a new 'name: 32 bytes in base64'")
        keys[key.name] = key
    if not keys:
        raise ConfigError(f"store.encryption.keyFile: {path} contains no key")
    return list(keys.values())


def _key(line: str) -> SealingKey | None:
    match = _LINE.fullmatch(line)
    try:
        secret = base64.b64decode(match[2], validate=True) if match else b""
    except ValueError:
        return None
    return SealingKey(match[1], secret) if match and len(secret) == 32 else None


def _place(key: ResourceKey) -> bytes:
    return "\0".join(key).encode()
