"""Immutable sets of resources that remember how to get from one to the next.

A thousand sessions that make the same step from one set to another find its difference, and the joined bytes of it,
computed. The memory lives in the newer set and refers to the older one weakly, so it lasts exactly as long as somebody
can need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import ClassVar
from weakref import WeakKeyDictionary

from immutables import Map

from ursa.discovery.entry import Entry

DIGEST_MASK = (1 << 128) - 1


class SharedBytes:
    """Joined bytes, kept only from the second request on: what one stream needs once is not worth its memory."""

    __slots__ = ("_joined", "_requested")

    def __init__(self) -> None:
        self._requested, self._joined = False, b""

    def get(self, join: Callable[[], bytes]) -> bytes:
        """The bytes that `join` makes."""
        if self._joined:
            return self._joined
        joined = join()
        if self._requested:
            self._joined = joined
        self._requested = True
        return joined


class Step:
    """What turns one set into another."""

    def __init__(self, changed: tuple[Entry, ...], removed: tuple[str, ...]) -> None:
        self.changed, self.removed = changed, removed
        self._payload = SharedBytes()

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    @cached_property
    def names(self) -> frozenset[str]:
        """Everything this touches."""
        return frozenset(self.removed).union(entry.name for entry in self.changed)

    def payload(self) -> bytes:
        """The changed entries in delta form, joined."""
        return self._payload.get(lambda: b"".join(p for e in self.changed for p in (e.delta_head, e.any_framed)))


class ResourceSet:
    """Resources of one type by name. Equal only to itself; `version` tells whether the content is the same."""

    __slots__ = ("__weakref__", "_digest", "_entries", "_payload", "_steps")

    EMPTY: ClassVar[ResourceSet]

    def __init__(self, entries: Map[str, Entry], digest: int) -> None:
        """Use `ResourceSet.of` or `updated`: they keep entries and digest consistent."""
        self._entries, self._digest = entries, digest
        self._steps: WeakKeyDictionary[ResourceSet, Step] | None = None
        self._payload = SharedBytes()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> ResourceSet:
        """A set of these; of two entries with one name the later one stays."""
        return cls.EMPTY.updated(entries)

    def updated(self, changed: Iterable[Entry] = (), removed: Iterable[str] = ()) -> ResourceSet:
        """This set with some entries added, replaced or removed; itself when that changes nothing."""
        new = {e.name: e for e in changed}
        news = {name: e for name, e in new.items() if (old := self._entries.get(name)) is None or old != e}
        gone = [name for name in dict.fromkeys(removed) if name in self._entries and name not in new]
        if not news and not gone:
            return self
        digest = self._digest
        with self._entries.mutate() as mutation:
            for name, one in news.items():
                old = mutation.get(name)
                digest += one.digest - (old.digest if old is not None else 0)
                mutation[name] = one
            for name in gone:
                digest -= mutation.pop(name).digest
            result = ResourceSet(mutation.finish(), digest & DIGEST_MASK)
        result._remember(self, Step(tuple(news.values()), tuple(gone)))
        return result

    def replaced(self, entries: Iterable[Entry]) -> ResourceSet:
        """A set of exactly these entries; itself when it has that content already."""
        wanted = {e.name: e for e in entries}
        return self.updated(wanted.values(), [name for name in self._entries if name not in wanted])

    def step_from(self, old: ResourceSet) -> Step:
        """What turns `old` into this set: computed once for every pair."""
        step = self._steps.get(old) if self._steps is not None else None
        if step is None:
            theirs = old._entries
            changed = [e for name, e in self._entries.items() if theirs.get(name) != e]
            removed = [name for name in theirs if name not in self._entries]
            step = Step(tuple(sorted(changed, key=lambda e: e.name)), tuple(sorted(removed)))
            self._remember(old, step)
        return step

    def payload(self) -> bytes:
        """All entries in state-of-the-world form, joined."""
        return self._payload.get(lambda: b"".join([e.any_framed for e in self._entries.values()]))

    @property
    def digest(self) -> int:
        """Sum of the digests of the entries, whatever order they came in."""
        return self._digest

    @property
    def version(self) -> str:
        """Hash of the content."""
        return f"{self._digest:032x}"

    def get(self, name: str) -> Entry | None:
        """The entry of that name."""
        return self._entries.get(name)

    def names(self) -> Iterable[str]:
        """Names of the entries."""
        return self._entries.keys()

    def _remember(self, old: ResourceSet, step: Step) -> None:
        if self._steps is None:
            self._steps = WeakKeyDictionary()
        self._steps[old] = step

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __repr__(self) -> str:
        return f"<ResourceSet of {len(self)}, {self.version[:8]}>"


ResourceSet.EMPTY = ResourceSet(Map(), 0)
