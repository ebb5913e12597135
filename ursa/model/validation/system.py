"""Rules of zones and secrets."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.errors import Violation
from ursa.model.names import MAX_NAME
from ursa.model.resource import Resource


def zone_violations(resource: Resource) -> Sequence[Violation]:
    """A zone's name is also part of other names, so it must stay short."""
    return [Violation("name", "value length must less or equal 253")] if len(resource.name) > MAX_NAME else []


def secret_violations(_: Resource) -> Sequence[Violation]:
    """Any bytes are a secret, none too: Kuma accepts an empty one."""
    return ()
