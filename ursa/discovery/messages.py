"""What goes into a session and what comes out, as values: no protobuf object, no stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """A state-of-the-world request; `error` is set exactly when it refuses the response of this nonce."""

    type_url: str
    version: str = ""
    names: tuple[str, ...] = ()
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """A delta request.

    Attributes:
        held: name and version of what the client has from an earlier stream; read from the first request of a type.
    """

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the stream."""

    type_url: str
    data: bytes = field(repr=False)
    nonce: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The client applied a response; `version` is the version of the type it had."""

    type_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The client refused a response; `names` are the resources to blame, as far as that can be told."""

    type_url: str
    version: str
    reason: str
    names: tuple[str, ...]


Effect: TypeAlias = Send | Acknowledged | Rejected
