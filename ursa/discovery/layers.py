"""Sets laid over each other: what many proxies share below, what one proxy has of its own above.

A tuple of sets stands for one: on equal names the later layer wins. Positions should keep their meaning from one
snapshot to the next, since layers that stay the same object at the same position cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, zip_longest
from typing import TypeAlias

from ursa.discovery.entry import Entry
from ursa.discovery.resource_set import DIGEST_MASK, ResourceSet, Step

Layers: TypeAlias = tuple[ResourceSet, ...]


class Difference:
    """What turns one tuple of layers into another, made of steps that many sessions share."""

    __slots__ = ("_steps",)

    NOTHING: Difference

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps

    @classmethod
    def of(cls, changed: Iterable[Entry], removed: Iterable[str]) -> Difference:
        """A difference of its own, shared with nobody."""
        step = Step(tuple(changed), tuple(removed))
        return cls((step,)) if step else cls.NOTHING

    def __bool__(self) -> bool:
        return bool(self._steps)

    @property
    def changed(self) -> Iterator[Entry]:
        """Entries that are new or have other content."""
        return chain.from_iterable(step.changed for step in self._steps)

    @property
    def removed(self) -> Iterator[str]:
        """Names that are in no layer any more."""
        return chain.from_iterable(step.removed for step in self._steps)

    def payload(self) -> list[bytes]:
        """The changed entries in delta form; the pieces are shared by all sessions that make the same step."""
        return [step.payload() for step in self._steps if step.changed]

    def only(self, wanted: Callable[[Entry], bool], wants_removed: Callable[[str], bool]) -> Difference:
        """The part that concerns a subscriber; steps that concern it wholly stay shared."""
        steps = []
        for step in self._steps:
            changed = tuple(e for e in step.changed if wanted(e))
            removed = tuple(name for name in step.removed if wants_removed(name))
            if len(changed) == len(step.changed) and len(removed) == len(step.removed):
                steps.append(step)
            elif changed or removed:
                steps.append(Step(changed, removed))
        return Difference(tuple(steps))

    def plus(self, entries: Iterable[Entry]) -> Difference:
        """This with entries that have to be sent although they are the same."""
        return Difference(self._steps + Difference.of(entries, ())._steps)


Difference.NOTHING = Difference(())


def difference(old: Layers, new: Layers) -> Difference:
    """What turns `old` into `new`."""
    if old == new:  # sets are equal only to themselves, so this compares identities
        return Difference.NOTHING
    pairs = list(zip_longest(old, new, fillvalue=ResourceSet.EMPTY))
    steps = [(i, b.step_from(a)) for i, (a, b) in enumerate(pairs) if a is not b]
    if any(_contested(step, i, pairs) for i, step in steps):
        return _resolved(old, new, {name for _, step in steps for name in step.names})
    return Difference(tuple(step for _, step in steps if step))


def lookup(layers: Layers, name: str) -> Entry | None:
    """The entry that counts."""
    for layer in reversed(layers):
        if (found := layer.get(name)) is not None:
            return found
    return None


def entries(layers: Layers) -> Iterator[Entry]:
    """All entries that count."""
    for i, layer in enumerate(layers):
        above = [other for other in layers[i + 1 :] if other]
        yield from (e for e in layer if not any(e.name in other for other in above))


def version(layers: Layers) -> str:
    """Hash of the content, the same however it is divided into layers."""
    return f"{digest(layers):032x}"


def digest(layers: Layers) -> int:
    """Sum of the digests of all entries that count."""
    if len(layers) == 1:
        return layers[0].digest
    total = sum(layer.digest for layer in layers) - sum(e.digest for e in _hidden(layers))
    return total & DIGEST_MASK


def payload(layers: Layers) -> list[bytes]:
    """All entries in state-of-the-world form, in pieces that are shared."""
    if any(True for _ in _hidden(layers)):
        return [e.any_framed for e in entries(layers)]
    return [layer.payload() for layer in layers if layer]


def _hidden(layers: Layers) -> Iterator[Entry]:
    """Entries that a later layer replaces."""
    for i, layer in enumerate(layers):
        above = [other for other in layers[i + 1 :] if other]
        if not above or not layer:
            continue
        small = len(layer) <= sum(map(len, above))
        names = layer.names() if small else {name for other in above for name in other.names()}
        for name in names:
            if (found := layer.get(name)) is not None and any(name in other for other in above):
                yield found


def _contested(step: Step, position: int, pairs: list[tuple[ResourceSet, ResourceSet]]) -> bool:
    """Whether another layer has a say in what happens to the names of a step."""
    for i, pair in enumerate(pairs):
        if i == position:
            continue
        for other in pair if pair[0] is not pair[1] else pair[:1]:
            if len(other) < len(step.names):
                if any(name in step.names for name in other.names()):
                    return True
            elif any(name in other for name in step.names):
                return True
    return False


def _resolved(old: Layers, new: Layers, names: set[str]) -> Difference:
    changed, removed = [], []
    for name in sorted(names):
        before, after = lookup(old, name), lookup(new, name)
        if after is None:
            removed += [name] if before is not None else []
        elif before != after:
            changed.append(after)
    return Difference.of(changed, removed)
