"""What a session must know about the types it serves: their order and who depends on whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialect:
    """Rules of one family of resource types.

    Attributes:
        order: all types, those that others refer to first.
        wildcard_types: types of which a client gets everything when it names nothing.
        warmed_by: type → type; a client waits for the resource of the key when the one of the same name and of the
            other type changes, so it is sent again even if it is equal.
        waits_for: type → type; changes of the key are held while a response of the other type is not acknowledged.
            Envoy acknowledges clusters only when they are warm, so a route never points at a cluster that is not ready.
        used_by: type → types; a resource of the key is removed only when the client has applied the newest resources
            of those that may refer to it.
    """

    order: tuple[str, ...]
    wildcard_types: frozenset[str]
    warmed_by: Mapping[str, str] = field(default_factory=dict)
    waits_for: Mapping[str, str] = field(default_factory=dict)
    used_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def warms(self, type_url: str) -> tuple[str, ...]:
        """Types whose resources a client awaits after a change of this type."""
        return tuple(warmed for warmed, by in self.warmed_by.items() if by == type_url)
