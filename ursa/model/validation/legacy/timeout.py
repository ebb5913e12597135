"""Rules of Timeouts."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.errors import Violation
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy
from ursa.model.validation.values import UNDEFINED, positive_duration

_SELECTORS = connection_policy(source_service=True, destination_only_service=True)
_POSITIVE = "has to be greater than 0"
_POSITIVE_WHEN_DEFINED = "has to be greater than 0 when defined"
_SECTIONS = (
    ("tcp", ("idleTimeout",), _POSITIVE),
    ("http", ("requestTimeout", "idleTimeout"), _POSITIVE_WHEN_DEFINED),
    ("grpc", ("streamIdleTimeout", "maxStreamDuration"), _POSITIVE_WHEN_DEFINED),
)
"""Sections, the timeouts of which each needs one, and what is said when one is zero."""


def timeout_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a Timeout."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf")
    if conf is None:
        return [*found, Violation("conf", UNDEFINED)]
    for name, timeouts, reason in _SECTIONS:
        section = conf.get(name)
        if section is None:
            continue
        if not any(timeout in section for timeout in timeouts):
            found.append(Violation(f"conf.{name}", "at least one timeout in section has to be defined"))
        for timeout in timeouts:
            found += positive_duration(f"conf.{name}.{timeout}", section.get(timeout), reason)
    return found
