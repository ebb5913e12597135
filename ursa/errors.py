"""One tree for everything that can go wrong on purpose, so that callers know what to catch.

    UrsaError
    ├── InvalidResource      what a user wrote breaks rules; carries every violation, not just the first
    ├── BadRequest           input that cannot even be read (not JSON, wrong JSON type, unknown query parameter)
    ├── NotFound             the object asked for does not exist
    ├── Conflict             somebody else was faster, or the object already exists
    ├── Forbidden            the caller is known and may not do this
    ├── Unauthenticated      the caller could not prove who it is
    ├── Unavailable          a store or a peer cannot be reached now; trying again later is right
    ├── ProtocolError        a peer broke the rules of its wire
    └── ConfigError          the configuration of this process is wrong; it must not start

Messages are lower-case and have no full stop at the end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


class UrsaError(Exception):
    """Base of all errors that Ursa raises deliberately."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken by one field.

    `field` is a path as Kuma writes it: `spec.to[0].default`, `networking.inbound[1].tags["kuma.io/service"]`.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class InvalidResource(UrsaError):
    """A resource breaks its schema or the rules on top of it."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(str(v) for v in self.violations))


class BadRequest(UrsaError):
    """Input that cannot be understood at all."""


class NotFound(UrsaError):
    """The object asked for does not exist."""


class Conflict(UrsaError):
    """A compare-and-set lost, or a create met an existing object."""


class AlreadyExists(Conflict):
    """A create met an existing object of the same kind, mesh and name."""


class Forbidden(UrsaError):
    """The caller is known and lacks the right."""


class Unauthenticated(UrsaError):
    """The caller could not prove who it is."""


class Unavailable(UrsaError):
    """Something this needs cannot be reached at the moment."""


class ProtocolError(UrsaError):
    """A peer broke the rules of a wire protocol."""


class ConfigError(UrsaError):
    """The configuration is wrong; the text names the key and the reason."""


def system_reason(error: OSError) -> str:
    """What the operating system says in a few words, without the numbers and addresses that libraries put around it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error).lower()
