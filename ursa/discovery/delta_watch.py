"""Where a client of delta stands: the layers last offered and, by name, what deviates from them.

That is resources to send again, removals that have to wait, refused versions. Mostly there is none of it, and a step
from one snapshot to the next costs nothing per resource.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ursa.discovery import layers as stacked
from ursa.discovery.entry import Entry
from ursa.discovery.layers import Difference, Layers
from ursa.discovery.session import Plan, Watch


class Leaving(NamedTuple):
    """Something that a client may still have and should not: the version it has, empty if unknown, and the content."""

    version: str
    last: Entry | None


NOBODY_KNOWS = Leaving("", None)


class DeltaWatch(Watch):
    """Where a client stands with one type."""

    __slots__ = (
        *("again", "asked", "base", "deferred", "held", "names", "outgoing", "portion", "rejected", "unsure"),
        "wildcard",
    )

    def __init__(self) -> None:
        super().__init__()
        self.wildcard = False
        self.names: set[str] = set()
        self.base: Layers = ()
        self.held: Mapping[str, str] = {}
        """What the client has from an earlier stream, until the first offer."""
        self.asked: set[str] = set()
        """Names just subscribed to: they get an answer, even if it is that there is no such resource."""
        self.again: set[str] = set()
        """Names that the client awaits although their content is the same, should it subscribe to them."""
        self.unsure: set[str] = set()
        """Names to offer again since nobody knows what the client has of them; most were in a refused response."""
        self.deferred: Mapping[str, Leaving] = {}
        """Removals that wait for what may refer to these names, or were refused for another reason."""
        self.portion: int | None = None
        """How many of those to offer at a time, while it is not known which of them the client refuses."""
        self.rejected: dict[str, str] = {}
        """Refused versions by name; empty for a removal."""
        self.outgoing: Changes | None = None

    def wants(self, name: str) -> bool:
        """Whether the client subscribed to this name."""
        return self.wildcard or name in self.names

    def would_take(self, entry: Entry) -> bool:
        """Whether a change to this is of use: the client wants it, and did neither refuse nor keep this content."""
        name, leaving = entry.name, self.deferred.get(entry.name, NOBODY_KNOWS)
        return self.wants(name) and entry.version not in (self.rejected.get(name), leaving.version)

    def last(self, name: str) -> Entry | None:
        """What was last offered under a name that is to be removed."""
        return stacked.lookup(self.base, name) or self.deferred.get(name, NOBODY_KNOWS).last

    def note_refusal(self, items: Mapping[str, str], culprits: tuple[str, ...]) -> None:
        """Notes that the client has either the old or the new state of these items."""
        changed = [name for name, version in items.items() if version]
        if not culprits and len(changed) > 1:
            self.portion = len(changed) // 2
        elif not culprits:
            culprits = tuple(changed or items)
        self.rejected.update((name, items[name]) for name in culprits)
        self._offer({name: version for name, version in items.items() if name not in culprits})

    def offer_refused(self) -> None:
        self._offer(self.rejected)
        self.rejected = {}

    @property
    def has_refused(self) -> bool:
        return bool(self.rejected)

    def _offer(self, items: Mapping[str, str]) -> None:
        """Sends these once more; nobody knows what the client has of those that are gone."""
        self.unsure.update(name for name, version in items.items() if version)
        gone = [name for name, version in items.items() if not version]
        self.deferred = {**self.deferred, **dict.fromkeys(gone, NOBODY_KNOWS)}


@dataclass(frozen=True, slots=True)
class Changes(Plan):
    """What a client lacks; `due` is what it gets although that did not change, `deferred` are removals that wait."""

    changed: Difference
    removed: Collection[str]
    due: Collection[str]
    deferred: Mapping[str, Leaving]

    @property
    def items(self) -> dict[str, str]:
        """Versions of what changed, by name; empty ones for removals."""
        return {e.name: e.version for e in self.changed.changed} | dict.fromkeys(self.removed, "")
